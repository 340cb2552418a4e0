"""What AWS's answers mean: refused, throttled, cut short, or of a region that is not enabled."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import botocore.exceptions as failures
from botocore.parsers import ResponseParserError

from mac.model import ScopeState

# ParseError: S3's GetBucketLocation is parsed by a hook of botocore's that lets it through.
FAILURES = (failures.BotoCoreError, failures.ClientError, ResponseParserError, ElementTree.ParseError)
"""What botocore raises for a call that did not succeed."""

TELLING = frozenset(["organizations"])
"""Services whose lists are there when they are empty, though their models do not promise it. An answer of
theirs without its list is none. (github.com/boto/boto3/issues/3507 shows one.)"""

_DENIED = frozenset(
    [
        *("AccessDenied", "AccessDeniedException", "AllAccessDisabled", "AuthorizationError"),
        *("AuthorizationErrorException", "Forbidden", "NotAuthorized", "UnauthorizedOperation"),
    ]
)
# What AWS answers to good credentials in a region that the account has not enabled, among other reasons.
_UNKNOWN_CREDENTIALS = frozenset(
    ["AuthFailure", "InvalidClientTokenId", "InvalidToken", "OptInRequired", "UnrecognizedClientException"]
)
_THROTTLED = frozenset(
    [
        *("BandwidthLimitExceeded", "EC2ThrottledException", "PriorRequestNotComplete"),
        *("ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled"),
        *("RequestThrottledException", "SlowDown", "ThrottledException", "Throttling"),
        *("ThrottlingException", "TooManyRequestsException"),
    ]
)
_EXPIRED = frozenset(["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"])
_UNSUPPORTED = frozenset(
    [
        *("InvalidAction", "NotImplemented", "NotImplementedException", "UnknownOperation"),
        *("UnknownOperationException", "UnsupportedOperation", "UnsupportedOperationException"),
    ]
)
# What AWS answers, as AccessDeniedException, to a path that the service does not have in this region.
_NO_OPERATION = "Unable to determine service/operation name to be authorized"
# Different in every answer, and of no use to a reader.
_NOISE = re.compile(
    r"\s*(Encoded authorization failure message:.*|\(?(Service:[^)]*; )?Request ?ID:[^)]*\)?|"
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})",
    re.IGNORECASE | re.DOTALL,
)
# What a proxy, or a server that is not AWS, answers in place of an error of AWS's.
_PAGE = re.compile(r"\s*<(?:!doctype\s+html|html)\b(?:.*?<title>([^<]*)</title>)?", re.IGNORECASE | re.DOTALL)


class Cause(StrEnum):
    """The sort of failure that kept a scope from being read, for programs; its reason is for people."""

    THROTTLED = "throttled"
    DENIED = "denied"
    DISABLED = "disabled"  # the account has not enabled the region
    UNKNOWN_REGION = "unknown-region"  # AWS has no such region, or the service is not in it
    UNREACHABLE = "unreachable"  # no connection, or it broke
    TIMEOUT = "timeout"  # one call, or all pages of the scope together
    TRUNCATED = "truncated"  # a page, or the list of pages, ends too early
    MALFORMED = "malformed"
    EXPIRED = "expired"  # the credentials
    SHRUNK = "shrunk"  # far less than there was: only a person can say that it is so
    UNSUPPORTED = "unsupported"  # the endpoint does not have the call, or its source the kind
    FAILED = "failed"  # anything else that AWS calls an error


class CallError(Exception):
    """AWS did not answer completely. `state`: what that makes of the scope; `code`: AWS's own word.

    `cause`: the sort of failure. `region_in_doubt`: the region may be disabled, which only a list of regions
    can tell.
    """

    def __init__(
        self,
        reason: str,
        state: ScopeState = ScopeState.STALE,
        code: str = "",
        region_in_doubt: bool = False,
        cause: Cause = Cause.FAILED,
    ) -> None:
        super().__init__(reason)
        self.reason, self.state, self.code, self.region_in_doubt = reason, state, code, region_in_doubt
        self.cause = cause


def is_throttle(code: str) -> bool:
    return code in _THROTTLED


def meaning(operation: str, code: str, message: str) -> CallError:
    """What an error answer means. The reason reads the same each time the same thing happens."""
    told = words(message)
    reason = f"{operation}: {code}" + (f": {told}" if told else "")
    if told.startswith(_NO_OPERATION):
        return CallError(reason, code=code, cause=Cause.UNSUPPORTED)
    if code in _DENIED:
        return CallError(reason, ScopeState.DENIED, code, cause=Cause.DENIED)
    if code in _THROTTLED:
        return CallError(f"{operation}: throttled ({code})", code=code, cause=Cause.THROTTLED)
    if code in _EXPIRED:
        reason = f"{operation}: the credentials have expired ({code})"
        return CallError(reason, code=code, cause=Cause.EXPIRED)
    if code in _UNSUPPORTED:
        return CallError(reason, code=code, cause=Cause.UNSUPPORTED)
    if code.isdigit():
        cause = _by_status(int(code))
        denied = cause is Cause.DENIED
        return CallError(reason, ScopeState.DENIED if denied else ScopeState.STALE, code, cause=cause)
    return CallError(reason, code=code, region_in_doubt=code in _UNKNOWN_CREDENTIALS)


def _by_status(status: int) -> Cause:
    """What an answer means that has no other code than HTTP's."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return Cause.UNREACHABLE if 300 <= status < 400 else Cause.FAILED


def explain(error: Exception, operation: str) -> CallError:
    """What a failure of boto3 means. The reason reads the same each time the same thing happens."""
    if isinstance(error, CallError):
        return error
    if isinstance(error, failures.ClientError):
        told = error.response.get("Error", {})
        return meaning(error.operation_name, told.get("Code", ""), told.get("Message", ""))
    if isinstance(error, failures.ReadTimeoutError | failures.ConnectTimeoutError):
        return CallError(f"{operation}: timed out", cause=Cause.TIMEOUT)
    if isinstance(error, failures.NoCredentialsError | failures.PartialCredentialsError):
        return CallError("no AWS credentials were found", cause=Cause.EXPIRED)
    if isinstance(error, ResponseParserError | ElementTree.ParseError):
        reason = f"{operation}: the answer cannot be read: {words(error)}"
        return CallError(reason, cause=Cause.MALFORMED)
    if isinstance(error, failures.PaginationError):
        return CallError(f"{operation}: the list of pages does not end", cause=Cause.TRUNCATED)
    if isinstance(error, failures.ResponseStreamingError | failures.IncompleteReadError):
        return CallError(f"{operation}: the answer was cut short", cause=Cause.TRUNCATED)
    doubt = isinstance(error, failures.EndpointConnectionError)
    lost = isinstance(error, failures.HTTPClientError | failures.ConnectionError)
    cause = Cause.UNREACHABLE if lost else Cause.FAILED
    return CallError(f"{operation}: {words(error)}", region_in_doubt=doubt, cause=cause)


def words(text: object) -> str:
    """A message on one line, without what differs from answer to answer; of a web page, its title."""
    page = _PAGE.match(str(text))
    if page:
        return " ".join(f"a web page: {page[1] or ''}".split()).removesuffix(":")[:300]
    return " ".join(_NOISE.sub("", str(text)).split())[:300]


_BY_STATUS = {
    401: Cause.DENIED,
    403: Cause.DENIED,
    404: Cause.UNSUPPORTED,
    405: Cause.UNSUPPORTED,
    407: Cause.DENIED,  # by the proxy
    408: Cause.TIMEOUT,
    429: Cause.THROTTLED,
    501: Cause.UNSUPPORTED,
    502: Cause.UNREACHABLE,
    503: Cause.UNREACHABLE,
    504: Cause.UNREACHABLE,
}

_ROOT = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:[\w-]+:)?([\w-]+)", re.DOTALL)
# Where the root is not named after the operation: S3's answers and CloudFront's. ElastiCache has an operation
# of the same name as CloudFront's.
_ROOTS = {
    "ListBuckets": ("ListAllMyBucketsResult",),
    "GetBucketLocation": ("LocationConstraint",),
    "GetBucketTagging": ("Tagging",),
    "ListDistributions": ("DistributionList",),
    "ListTagsForResource": ("ListTagsForResourceResponse", "Tags"),
}


def fault(operation: str, is_json: bool, body: bytes) -> str:
    """Why the body of a successful answer cannot be what AWS meant; empty when it can.

    Truncated JSON, and XML of anybody else (a proxy's page), would pass for an answer without items.
    """
    if is_json:
        try:
            found = json.loads(body)
        except ValueError:
            return f"{operation}: not JSON"
        # botocore would fail on it with words of its own inside, which help no reader.
        return "" if isinstance(found, dict) else f"{operation}: not a JSON object"
    root = _ROOT.match(body)
    wanted = _ROOTS.get(operation, (f"{operation}Response",))
    if root is None or root.group(1).decode() not in wanted:
        return f"{operation}: no {wanted[0]}"
    return ""


_ERROR_ROOTS = {"ec2": ("Response",), "query": ("ErrorResponse",), "rest-xml": ("Error", "ErrorResponse")}
_CODE, _MESSAGE = (re.compile(rf"<{name}>([^<]*)</{name}>", re.IGNORECASE) for name in ("Code", "Message"))


def error_body(protocol: str, status: int, body: bytes) -> bytes:
    """The body of an error answer, in the form in which botocore reads errors of this protocol.

    A proxy, an endpoint's policy or a firewall answers in a form of its own: a page, XML in place of JSON, or
    nothing. Its code and its words are kept as far as there are any; the code is else HTTP's status.
    """
    text = body.decode(errors="replace")
    if "json" in protocol:
        if isinstance(_json(text), dict):
            return body
    elif protocol not in _ERROR_ROOTS or _root(body) in _ERROR_ROOTS[protocol]:
        return body
    code, message = _told(text)
    code = code or str(status)
    if "json" in protocol:
        return json.dumps({"__type": code, "message": message}).encode()
    error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    if protocol == "ec2":
        return f"<Response><Errors>{error}</Errors></Response>".encode()
    return f"<ErrorResponse>{error}</ErrorResponse>".encode()


def _told(text: str) -> tuple[str, str]:
    """The code and the message in whatever was answered; both may be empty."""
    found = _json(text)
    if isinstance(found, dict):
        return "", str(found.get("message") or found.get("Message") or "")
    code, message = _CODE.search(text), _MESSAGE.search(text)
    return (code[1].strip() if code else ""), message[1] if message else words(text)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _root(body: bytes) -> str:
    """The name of the root of a whole XML document; empty for anything else."""
    try:  # as botocore does next
        return ElementTree.fromstring(body).tag.rpartition("}")[2]  # noqa: S314  no entity is expanded
    except ElementTree.ParseError:
        return ""
