"""What errors of the Cloud SQL Admin API mean, by their texts. Source: texts seen in public logs and documents."""

import re
from dataclasses import dataclass

from cloudsql_iam_operator.adapters.google.answers import BUSY, Answered, Errand, unexpected
from cloudsql_iam_operator.core.errors import Failure, NotYet, Refused
from cloudsql_iam_operator.core.reasons import Reason

BUSY_SECONDS = 5.0


class IAMRolesMissing(Exception):
    """The instance lacks the roles that IAM users belong to: its flag is off, or was set moments ago."""

    def __init__(self, role: str) -> None:
        super().__init__(role)
        self.role = role


def verdict(answered: Answered, errand: Errand) -> Exception:
    """The verdict on an error of the Admin API, or of an operation (code 200). No read is ever refused for good."""
    role = _IAM_ROLE.search(answered.message)
    if role and errand.method == "users.insert":
        return IAMRolesMissing(role.group(1))
    worded = _by_word(answered, errand)
    if worded is not None:
        return worded
    found = next((meaning for pattern, meaning in _TEXTS if pattern.search(answered.message)), None)
    if found is not None and answered.code in {200, 400} and (errand.writes or found.waits):
        return _failure(found, f"could not {errand.purpose}: {_detail(answered.said)}")
    if answered.code == 200:
        return NotYet(Reason.OPERATION_FAILED, f"could not {errand.purpose}: {_told(answered)}")
    return unexpected(answered, errand)


def _by_word(answered: Answered, errand: Errand) -> NotYet | None:
    """What waits by the API's own word for it. An instance is gone by that word or text, and not by any other 404."""
    if answered.code == 404 and (answered.reason == "instanceDoesNotExist" or answered.message == _NO_INSTANCE):
        text = f"could not {errand.purpose}: {answered.said}; create it, or correct spec.connectionName"
        return NotYet(Reason.INSTANCE_NOT_FOUND, text)
    if answered.reason in {BUSY, "OPERATION_IN_PROGRESS"} or _BUSY.search(answered.message):
        sentence = f"could not {errand.purpose}: another operation was already in progress"
        return NotYet(Reason.OPERATION_IN_PROGRESS, sentence, BUSY_SECONDS)
    if answered.code == 409 and answered.reason in {"invalidState", "INVALID_STATE"}:
        return NotYet(Reason.INSTANCE_NOT_READY, f"could not {errand.purpose}: {answered.said}")
    return None


@dataclass(frozen=True, slots=True)
class _Meaning:
    reason: Reason
    remedy: str
    waits: bool = False


_IAM_ROLE = re.compile(r'role "(cloudsqliam\w+)" does not exist')
_NO_INSTANCE = "The Cloud SQL instance does not exist."
_BUSY = re.compile(r"another operation was already in progress|too many operations", re.IGNORECASE)
_TEXTS = (
    (
        re.compile(r"Provided CLOUD_IAM_\w+: .*does not exist"),
        _Meaning(Reason.PRINCIPAL_NOT_FOUND, "create it in Google, or correct spec.principal"),
    ),
    (
        re.compile(r"IAM Group Authentication is disabled"),
        _Meaning(Reason.IAM_AUTHENTICATION_DISABLED, "update the instance to a newer maintenance version"),
    ),
    (
        re.compile(r"instance is not running"),
        _Meaning(Reason.INSTANCE_STOPPED, "start it, or wait until it is created", waits=True),
    ),
    (
        re.compile(r"cannot be dropped because some objects depend on it"),
        _Meaning(Reason.OWNS_OBJECTS, "revoke its privileges and give its objects another owner"),
    ),
    (
        re.compile(r'role "[^"]+" does not exist'),
        _Meaning(Reason.ROLE_NOT_FOUND, "create the role in the database", waits=True),
    ),
    (
        re.compile(r"read.?replica", re.IGNORECASE),
        _Meaning(Reason.UNSUPPORTED_ENGINE, "name the primary instance"),
    ),
)


def _failure(meaning: _Meaning, text: str) -> Failure:
    message = f"{text}; {meaning.remedy}"
    return NotYet(meaning.reason, message) if meaning.waits else Refused(meaning.reason, message)


def _told(answered: Answered) -> str:
    return f"{answered.reason}: {answered.said}" if answered.said else f"{answered.reason}, without a message"


def _detail(text: str) -> str:
    return text.removeprefix("Invalid request: ").strip().rstrip(".")
