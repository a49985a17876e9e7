"""What Google answered, taken apart, and what every API of it means alike. What one API alone means is elsewhere."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from googleapiclient.errors import HttpError

from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.excerpts import excerpt
from cloudsql_iam_operator.core.reasons import Reason

QUOTA_SECONDS = 30.0
"""When to try again after 429 without Retry-After; Google counts in windows of a minute."""

WRITTEN_AGAIN = 60.0
"""Seconds until a write that was answered in unknown words is tried again: it may be refused for ever."""

LONGEST_PAUSE = 600.0
"""Seconds: whatever Retry-After says, nobody is left alone for longer."""

LONGEST_MESSAGE = 2000
"""Characters of an error's message that are looked at."""

KNOWN_WORDS = 1000
"""Characters shown of a message that is understood."""

Shape = Callable[[Mapping[str, Any]], bool]
"""Whether a successful answer is what the call is documented to answer."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a call is for: its discovery name, a sentence part ("list users of …"), and the permission it takes."""

    method: str
    purpose: str
    permission: str
    denied: Reason
    shape: Shape
    writes: bool = False


class Answered(Exception):
    """An error in the shape that all of Google's APIs give it.

    `reason` is the API's own word for it or else its status, `cause` that of google.rpc.ErrorInfo, "" without one.
    """

    def __init__(self, code: int, reason: str, message: str, cause: str = "", retry_after: float | None = None) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason
        self.message = message
        self.cause = cause
        self.retry_after = retry_after

    @property
    def said(self) -> str:
        """Its message as it may be shown."""
        return excerpt(self.message, KNOWN_WORDS)


def error_in(error: HttpError) -> Answered | None:
    """The error that an answer holds; None when it is none of Google's, whatever its status.

    Read from the body: the library hides `errors` behind `details` when both are there.
    """
    code = int(error.resp.status)
    try:
        body = json.loads(error.content)["error"]
        if int(body["code"]) != code:
            return None
        listed = [each for each in body.get("errors") or () if isinstance(each, dict)]
        reason = (listed[0].get("reason") if listed else None) or body.get("status") or ""
        causes = [each.get("reason") for each in body.get("details") or () if isinstance(each, dict)]
        message = " ".join(str(body.get("message") or "")[:LONGEST_MESSAGE].split())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    cause = next((str(each) for each in causes if each), "")
    return Answered(code, str(reason), message, cause, retry_after(error.resp, datetime.now(UTC)))


def retry_after(headers: Mapping[str, Any], now: datetime) -> float | None:
    """Seconds that an answer's Retry-After asks to wait, told in seconds or as a date; None when it does not."""
    text = str(headers.get("retry-after", ""))
    if text.isdecimal():
        return min(float(text), LONGEST_PAUSE)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_PAUSE)


def refusal(error: HttpError, errand: Errand) -> NotYet | Answered:
    """The verdict on an error that means the same in every API, else the error for the errand's own adapter."""
    code, later = int(error.resp.status), retry_after(error.resp, datetime.now(UTC))
    answered = error_in(error)
    if answered is not None:
        return _general(answered, errand) or answered
    if code == 429:
        return NotYet(Reason.QUOTA_EXCEEDED, f"Google answered 429 to: {errand.purpose}", later or QUOTA_SECONDS)
    body = error.content.decode(errors="replace") if isinstance(error.content, bytes) else str(error.content)
    if code >= 500:
        text = f"Google answered {code} to: {errand.purpose}: {excerpt(body)}"
        return NotYet(Reason.GOOGLE_UNREACHABLE, text, later)
    return not_understood(errand, code, body)


def unexpected(answered: Answered, errand: Errand) -> NotYet:
    """The verdict on an error of Google's that nobody understands."""
    return not_understood(errand, answered.code, f"{answered.reason}: {answered.message}")


def not_understood(errand: Errand, code: int, body: str) -> NotYet:
    """The verdict on an answer that proves nothing: whatever stands is left as it is."""
    text = (
        f"{errand.method} answered {code} in a way that the operator does not understand, and nothing is taken away "
        f"for it; this was to {errand.purpose}: {excerpt(body)}"
    )
    return NotYet(Reason.UNEXPECTED_ANSWER, text, WRITTEN_AGAIN if errand.writes else None)


BUSY = "operationInProgress"
_QUOTA_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"}
_DENIALS: Mapping[str, tuple[Reason, str]] = {
    "SECURITY_POLICY_VIOLATED": (
        Reason.VPC_SERVICE_CONTROLS,
        "let the operator's identity through the service perimeter, by an ingress rule or an access level",
    ),
    "SERVICE_DISABLED": (Reason.API_DISABLED, "enable that API in the project that the message names"),
    "BILLING_DISABLED": (Reason.BILLING_DISABLED, "enable billing for the project that the message names"),
    "USER_PROJECT_DENIED": (
        Reason.QUOTA_PROJECT_DENIED,
        "the operator's identity needs serviceusage.services.use on the quota project",
    ),
}
"""What a 403 is about when it is not a missing permission. Source: google.api.ErrorReason"""

_OLDER_WORDS = {"accessNotConfigured": "SERVICE_DISABLED"}


def _general(answered: Answered, errand: Errand) -> NotYet | None:
    said = f"Google answered {answered.code} to: {errand.purpose}: {answered.said}"
    quota = answered.code == 403 and answered.reason in _QUOTA_REASONS
    if answered.code == 429 or quota:
        return NotYet(Reason.QUOTA_EXCEEDED, said, answered.retry_after or QUOTA_SECONDS)
    if answered.code == 403 and answered.reason != BUSY:  # older versions of the Admin API tell a running operation so
        reason, remedy = _denial(answered, errand)
        return NotYet(reason, f"{said}; {remedy}")
    if answered.code == 401:
        return NotYet(Reason.CREDENTIALS_FAILED, f"{said}; Google does not take the operator's access token")
    if answered.code >= 500:
        return NotYet(Reason.GOOGLE_UNREACHABLE, said, answered.retry_after)
    return None


def _denial(answered: Answered, errand: Errand) -> tuple[Reason, str]:
    cause = answered.cause or _OLDER_WORDS.get(answered.reason, "")
    if "vpcServiceControls" in answered.message:
        cause = "SECURITY_POLICY_VIOLATED"
    return _DENIALS.get(cause, (errand.denied, f"the operator needs {errand.permission}"))
