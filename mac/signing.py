"""AWS's signature on requests that are no SDK calls, as Amazon Managed Service for Prometheus wants them."""

from __future__ import annotations

from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from mac.access_model import SigV4
from mac.acting import acting_as
from mac.answers import FAILURES, CallError, explain
from mac.aws import ROLE_CALL, Aws
from mac.http import Sign
from mac.model import Via
from mac.problems import AwsError

_SIGNED = ("content-type",)  # with the host; a proxy may change any other header


def signer(sigv4: SigV4, aws: Aws | None = None) -> Sign:
    """What signs requests with the ambient credentials, or with those of the role that they take on.

    Credentials that expire are renewed between two requests. The signature raises AwsError when there are
    none.
    """
    via = Via(sigv4.role_arn) if sigv4.role_arn else None
    aws = aws or Aws()

    def sign(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        stable = {name: value for name, value in headers.items() if name.lower() in _SIGNED}
        request = AWSRequest(method, url, stable, body)
        try:
            access = aws.hub(sigv4.region, via)
            with acting_as(access.credentials, access.budget):
                credentials = access.credentials.get_frozen_credentials()
        except (CallError, *FAILURES) as error:
            known = explain(error, ROLE_CALL)
            raise AwsError(f"no signature for {url.partition('?')[0]}: {known.reason}") from error
        SigV4Auth(credentials, sigv4.service, sigv4.region).add_auth(request)
        return {**headers, **dict(request.headers.items())}

    return sign
