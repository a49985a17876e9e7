"""The few ways a reconcile can fail, by what helps: an edit, or waiting. Anything else is a bug and falls through."""

from enum import Enum

from cloudsql_iam_operator.core.reasons import Reason


class Failure(Exception):
    """A verdict on why something could not be done: a reason and one sentence that names the object and the remedy."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class Refused(Failure):
    """Only an edit, of the spec or of the outside world, helps. Reported as Stalled; checked again at the interval."""


class Proof(Enum):
    """What says that access is no longer due; the value completes "withdrawn, because"."""

    RULE = "no access rule of the instance admits it"
    NAMESPACE = "its namespace is gone"
    END = "its end has come"
    IDENTITY = "its account no longer lets the workload act as it"


class Withdrawn(Failure):
    """Access that was given is no longer due, which was positively read. Only this may take access away.

    A refusal by Google, by PostgreSQL or by a parser proves nothing of the kind: what was given then stays.
    """

    def __init__(self, reason: Reason, message: str, proof: Proof) -> None:
        super().__init__(reason, message)
        self.proof = proof


class NotYet(Failure):
    """Waiting helps. Tried again after `retry_after` seconds, or with backoff when that is None.

    `passing`: what it waits for is being looked at, and wakes it; a new object need not say so in the meantime.
    """

    def __init__(
        self, reason: Reason, message: str, retry_after: float | None = None, *, passing: bool = False
    ) -> None:
        super().__init__(reason, message)
        self.retry_after = retry_after
        self.passing = passing
