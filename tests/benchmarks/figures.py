"""Figures: what was measured, its limit, the table on the screen and the file. Nothing is measured here."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "build" / "bench"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `limit` is the most it may be, or the least where `at_least`; None: nothing is promised."""

    what: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the promise is kept; true where there is none."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def written(name: str, figures: Sequence[Figure]) -> Path:
    """Write a benchmark's figures as JSON; the file."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    rows = [
        {"what": one.what, "value": _rounded(one.value), "unit": one.unit, "limit": one.limit, "holds": one.holds}
        for one in figures
    ]
    path.write_text(json.dumps(rows, indent=2) + "\n")
    return path


def table(name: str, figures: Sequence[Figure]) -> str:
    """The figures as lines for a person."""
    width = max(len(one.what) for one in figures)
    lines = [f"{one.what:<{width}}  {_rounded(one.value):>12,} {one.unit:<10} {_verdict(one)}" for one in figures]
    return "\n".join([f"== {name}", *(line.rstrip() for line in lines)])


def percentile(values: Sequence[float], share: int) -> float:
    """The value that `share` percent of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, len(values) * share // 100)]


def median(values: Sequence[float]) -> float:
    """The middle of the values."""
    return statistics.median(values)


def _verdict(one: Figure) -> str:
    if one.limit is None:
        return ""
    return f"{'>=' if one.at_least else '<='} {one.limit:,g}: {'holds' if one.holds else 'MISSED'}"


def _rounded(value: float) -> float:
    return round(value, 4 if abs(value) < 1 else 1)
