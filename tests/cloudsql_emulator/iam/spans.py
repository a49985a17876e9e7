"""Facts that begin and end to hold some time after they were written down."""

import datetime as dt
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Propagation:
    """Seconds until a change acts; a change is readable at once whatever they are.

    Source: "Access change propagation": minutes for policies, up to hours for groups
    """

    grants: float = 0.0
    revocations: float = 0.0
    memberships: float = 0.0


SOME_SECONDS = Propagation(grants=2.0, revocations=4.0, memberships=2.0)
"""For tests that are about waiting: revocations take longer than grants, as at Google, and neither takes minutes."""


@dataclass(frozen=True, slots=True)
class _Span:
    begin: dt.datetime
    end: dt.datetime | None = None

    def holds(self, moment: dt.datetime) -> bool:
        return self.begin <= moment and (self.end is None or moment < self.end)


class Spans(Generic[K]):
    """A set that changes with delay."""

    def __init__(self) -> None:
        self._spans: dict[K, _Span] = {}

    def add(self, key: K, at: dt.datetime) -> None:
        """Let a fact hold from then on; one that holds already, and was only to end, goes on."""
        present = self._spans.get(key)
        if present is not None and (present.end is None or present.end > at):
            self._spans[key] = replace(present, end=None)
        else:
            self._spans[key] = _Span(at)

    def remove(self, key: K, at: dt.datetime) -> None:
        """Let a fact hold no more from then on."""
        present = self._spans.get(key)
        if present is not None and present.end is None:
            self._spans[key] = replace(present, end=at)

    def holding(self, moment: dt.datetime) -> set[K]:
        """The facts that hold at a moment; those that ended before are forgotten."""
        self._spans = {key: span for key, span in self._spans.items() if span.end is None or span.end > moment}
        return {key for key, span in self._spans.items() if span.holds(moment)}
