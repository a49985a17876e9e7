"""Points in time and durations as they are written in manifests, and as they are written for people and statuses."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")
_LONGEST = 16
"""Characters of a duration; as in the schema."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """From where to where a duration may go, in seconds, and how a person would write that."""

    shortest: int
    longest: int
    text: str


def seconds_in(text: object) -> int | None:
    """Seconds of a Go-style duration of whole hours, minutes and seconds (`1h30m`); None for anything else."""
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST:
        return None
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def instant_of(text: object) -> datetime | None:
    """The point in time, in UTC, of an RFC 3339 text that carries its zone; None for anything else."""
    if not isinstance(text, str) or not _INSTANT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def instant_text(instant: datetime) -> str:
    """A point in time as Kubernetes writes it: RFC 3339 in UTC, whole seconds."""
    return instant.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def duration_text(seconds: float) -> str:
    """A duration as Go reads it, in whole seconds, without parts that are nothing: 90 is `1m30s`, 3600 is `1h`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"
