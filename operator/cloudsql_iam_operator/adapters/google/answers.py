"""What Google answered, taken apart, and what every API of it means alike. What one API alone means is elsewhere."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from googleapiclient.errors import HttpError

from cloudsql_iam_operator.core.askers import Asker, Need, on_quota_project
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.excerpts import excerpt
from cloudsql_iam_operator.core.gcloud import gcloud
from cloudsql_iam_operator.core.reasons import Reason

QUOTA_SECONDS = 30.0
"""When to try again after 429 without Retry-After; Google counts in windows of a minute."""

WRITTEN_AGAIN = 60.0
"""Seconds until a write that was answered in unknown words is tried again: it may be refused for ever."""

LONGEST_PAUSE = 600.0
"""Seconds: whatever Retry-After says, nobody is left alone for longer."""

LONGEST_MESSAGE = 2000
"""Characters of an error's message that are looked at."""

KNOWN_WORDS = 400
"""Characters shown of a message that is understood: an Event has 1024 for all that there is to say."""

LONGEST_NAME = 100
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.:-")

Shape = Callable[[Mapping[str, Any]], bool]
"""Whether a successful answer is what the call is documented to answer."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a call is for: its discovery name, a sentence part ("list users of …"), and the permission it takes."""

    method: str
    purpose: str
    need: Need
    denied: Reason
    shape: Shape
    writes: bool = False


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """A cause in one word, the API that it is about, and the project that is charged; "" for what is not told.

    Source: google.rpc.ErrorInfo, google.api.ErrorReason
    """

    cause: str = ""
    service: str = ""
    consumer: str = ""


class Answered(Exception):
    """An error in the shape that all of Google's APIs give it.

    `reason` is the API's own word for it or else its status, `info` what google.rpc.ErrorInfo tells.
    """

    def __init__(
        self, code: int, reason: str, message: str, info: "ErrorInfo | None" = None, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason
        self.message = message
        self.info = info or ErrorInfo()
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
        info = _info_in(body)
        message = " ".join(str(body.get("message") or "")[:LONGEST_MESSAGE].split())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Answered(code, str(reason), message, info, retry_after(error.resp, datetime.now(UTC)))


def _info_in(body: Mapping[str, Any]) -> ErrorInfo:
    details = [each for each in body.get("details") or () if isinstance(each, dict) and each.get("reason")]
    told = details[0] if details else {}
    more = told.get("metadata")
    more = more if isinstance(more, dict) else {}
    return ErrorInfo(
        str(told.get("reason", "")), _name(more.get("service")), _project_of(str(more.get("consumer", "")))
    )


def _project_of(consumer: str) -> str:
    return _name(consumer.removeprefix("projects/").removeprefix("project_number:").removeprefix("project:"))


def _name(told: object) -> str:
    """A name of an API or a project as it may stand in a command; "" for anything else."""
    name = str(told or "")
    return name if len(name) <= LONGEST_NAME and _NAME_LETTERS.issuperset(name) else ""


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


def refusal(error: HttpError, errand: Errand, asker: Asker) -> NotYet | Answered:
    """The verdict on an error that means the same in every API, else the error for the errand's own adapter."""
    code, later = int(error.resp.status), retry_after(error.resp, datetime.now(UTC))
    answered = error_in(error)
    if answered is not None:
        return _general(answered, errand, asker) or answered
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
NARROW_SCOPES = (
    "its access token has not the scope cloud-platform, as is usual for a node's own account: let the pod act by "
    "Workload Identity, with "
    "gcloud container node-pools update POOL --cluster=CLUSTER --location=LOCATION --workload-metadata=GKE_METADATA"
)
UNKNOWN_ACCOUNT = "ACCOUNT"
_QUOTA_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"}
_OLDER_WORDS = {"accessNotConfigured": "SERVICE_DISABLED", "insufficientPermissions": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}


def _general(answered: Answered, errand: Errand, asker: Asker) -> NotYet | None:
    asked = f"Google answered {answered.code} to: {errand.purpose}"
    said = f"{asked}: {answered.said}"
    quota = answered.code == 403 and answered.reason in _QUOTA_REASONS
    if answered.code == 429 or quota:
        return NotYet(Reason.QUOTA_EXCEEDED, said, answered.retry_after or QUOTA_SECONDS)
    if answered.code == 403 and answered.reason != BUSY:  # older versions of the Admin API tell a running operation so
        reason, remedy = _denial(answered, errand, asker)
        return NotYet(reason, f"{asked}; {remedy}{_quoted(answered)}")
    if answered.code == 401:
        text = f"{asked}; asked as {asker}, whose access token Google does not take: see that the account is enabled"
        return NotYet(Reason.CREDENTIALS_FAILED, f"{text}: {_described(asker)}{_quoted(answered)}")
    if answered.code >= 500:
        return NotYet(Reason.GOOGLE_UNREACHABLE, said, answered.retry_after)
    return None


def _quoted(answered: Answered) -> str:
    """Google's own words, which come last: where a message is cut, no command is."""
    return f". Google said: {answered.said}" if answered.said else ""


def _described(asker: Asker) -> str:
    return gcloud("iam", "service-accounts", "describe", asker.email or UNKNOWN_ACCOUNT)


def _denial(answered: Answered, errand: Errand, asker: Asker) -> tuple[Reason, str]:
    """What a 403 is about, by google.api.ErrorReason; a missing permission when by none."""
    cause = answered.info.cause or answered.reason
    cause = "SECURITY_POLICY_VIOLATED" if "vpcServiceControls" in answered.message else _OLDER_WORDS.get(cause, cause)
    charged = answered.info.consumer or _told_project(answered.message)
    match cause:
        case "SECURITY_POLICY_VIOLATED":
            text = f"asked as {asker}: let it through the service perimeter, by an ingress rule or an access level"
            return Reason.VPC_SERVICE_CONTROLS, text
        case "SERVICE_DISABLED":
            return (
                Reason.API_DISABLED,
                f"asked as {asker}; {api_disabled(answered.info.service or errand.need.api, charged)}",
            )
        case "BILLING_DISABLED":
            command = gcloud("billing", "projects", "link", charged or "PROJECT")
            text = f"asked as {asker}; give the project a billing account: {command} --billing-account=ACCOUNT"
            return Reason.BILLING_DISABLED, text
        case "USER_PROJECT_DENIED":
            need = on_quota_project(charged or os.environ.get("GOOGLE_CLOUD_QUOTA_PROJECT") or "PROJECT")
            return Reason.QUOTA_PROJECT_DENIED, need.lacked_by(asker)
        case "ACCESS_TOKEN_SCOPE_INSUFFICIENT":
            return Reason.CREDENTIALS_FAILED, f"asked as {asker}; {NARROW_SCOPES}"
    return errand.denied, errand.need.lacked_by(asker)


def api_disabled(service: str, project: str) -> str:
    """What to do about an API that is switched off."""
    command = gcloud("services", "enable", service, f"--project={project or 'PROJECT'}")
    return f"{service} is not enabled in the project that the call is charged to; to enable it: {command}"


def _told_project(message: str) -> str:
    """The project that an older error names only in its text: "… has not been used in project 123 before …"."""
    _, found, rest = message.partition("in project ")
    return _name(rest.split(" ", 1)[0].rstrip(".,")) if found else ""
