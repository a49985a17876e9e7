"""When an object was first admitted and when its access ends: what its status records, so that no edit moves it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloudsql_iam_operator.api.parsing.times import instant_text
from cloudsql_iam_operator.core.errors import Proof, Withdrawn
from cloudsql_iam_operator.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Admission:
    """Since when an object is admitted (None: it never was), and until when (None: no end was declared)."""

    since: datetime | None = None
    until: datetime | None = None

    def renewed(self, now: datetime, until: datetime | None) -> "Admission":
        """The admission of an object that a rule admits now with this end; the first time stays.

        In whole seconds, as a status has them: what is read of it later is the same.
        """
        return Admission(self.since or now.replace(microsecond=0), until.replace(microsecond=0) if until else None)

    def ended(self, now: datetime) -> bool:
        """Whether the end has come."""
        return self.until is not None and self.until <= now

    def require_unended(self, now: datetime) -> None:
        """Return while the end has not come.

        Raises:
            Withdrawn: it has.
        """
        if self.ended(now):
            raise Withdrawn(Reason.EXPIRED, f"the access that was admitted ended at {written(self.until)}", Proof.END)

    def fields(self) -> dict[str, str]:
        """The part of a status that says so."""
        said = {"admittedAt": written(self.since), "expiresAt": written(self.until)}
        return {name: text for name, text in said.items() if text}


def admission_in(status: Mapping[str, Any]) -> Admission:
    """The admission that a status records."""
    return Admission(_time(status.get("admittedAt")), _time(status.get("expiresAt")))


def written(time: datetime | None) -> str:
    """A time as Kubernetes writes it, "" for none."""
    return instant_text(time) if time else ""


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
