"""What AWS's answers mean: refused, throttled, cut short, or of a region that is not enabled."""

from __future__ import annotations

import json
import re
from enum import StrEnum

from mac.model import ScopeState

_DENIED = frozenset(
    [
        *("AccessDenied", "AccessDeniedException", "AllAccessDisabled", "AuthorizationError"),
        *("AuthorizationErrorException", "Forbidden", "NotAuthorized", "UnauthorizedOperation", "403"),
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
    if code in _DENIED:
        return CallError(reason, ScopeState.DENIED, code, cause=Cause.DENIED)
    if code in _THROTTLED:
        return CallError(f"{operation}: throttled ({code})", code=code, cause=Cause.THROTTLED)
    if code in _EXPIRED:
        reason = f"{operation}: the credentials have expired ({code})"
        return CallError(reason, code=code, cause=Cause.EXPIRED)
    if code in _UNSUPPORTED:
        return CallError(reason, code=code, cause=Cause.UNSUPPORTED)
    return CallError(reason, code=code, region_in_doubt=code in _UNKNOWN_CREDENTIALS)


def words(text: object) -> str:
    """A message on one line, without what differs from answer to answer; of a web page, its title."""
    page = _PAGE.match(str(text))
    if page:
        return " ".join(f"a web page: {page[1] or ''}".split()).removesuffix(":")[:300]
    return " ".join(_NOISE.sub("", str(text)).split())[:300]


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
