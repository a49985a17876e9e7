"""When a lane's next pass begins: what has waited how long, and how much more is worth gathering before it."""

from collections.abc import Iterable
from dataclasses import dataclass

from cloudsql_iam_operator.services.waiting.ranks import Rank

WAVE = 8
"""New wants in one pass from which more are expected."""

STRETCHES = 2
BURST = 8
"""Passes in a row that wait for their company only, for edits and for new wants each: what a few people cause."""

CHECKS = 12.0
"""How much longer is gathered for periodic checks, which nobody waits for, so that one pass serves all of them."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a lane gathers before a pass, in seconds: until nothing came for `quiet`, at most `longest`.

    While others are known to be on their way, until nothing came for `wave`, and for longer from pass to pass. An edit
    waits for `edit` only, whatever else comes; but who edits, or makes objects, without end causes one pass in
    `endless` seconds, or where passes take long, in as many times as long as `rested` says, and in `longest` at most.
    """

    quiet: float = 0.3
    longest: float = 5.0
    edit: float = 0.3
    wave: float = 1.0
    endless: float = 2.0
    rested: float = 5.0


class Gathering:
    """Who came since the last pass began, and what that was like."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._first: dict[Rank, float] = {}
        self._last = 0.0
        self._stretch = 0
        self._rested = float("-inf")
        self._began = 0.0
        self._paid = dict.fromkeys((Rank.EDIT, Rank.FIRST), float("-inf"))
        """Until when the passes that began for a rank would take if each took its time."""
        self._each = min(pace.endless, pace.longest)

    def note(self, rank: Rank, came: float) -> None:
        """Somebody came."""
        self._first.setdefault(rank, came)
        self._last = came

    @property
    def pressed(self) -> bool:
        """Whether an edit came."""
        return Rank.EDIT in self._first

    @property
    def awaited(self) -> bool:
        """Whether somebody came."""
        return bool(self._first)

    def due(self, *, coming: bool = False) -> float:
        """When the pass begins, for those who came; never when nobody did.

        `coming` is whether others are on their way.
        """
        quiet, longest = self._pace.quiet, self._pace.longest
        ends = [float("inf")]
        if Rank.EDIT in self._first:
            ends.append(max(self._first[Rank.EDIT] + min(quiet, self._pace.edit), self._free(Rank.EDIT)))
        if Rank.FIRST in self._first:
            wider = 2.0**self._stretch
            pause = max(quiet, self._pace.wave) * wider if coming else quiet
            gathered = min(self._last + pause, self._first[Rank.FIRST] + longest * wider)
            ends.append(max(gathered, self._free(Rank.FIRST)))
        if Rank.CHECK in self._first:
            ends.append(min(self._last + quiet * CHECKS, self._first[Rank.CHECK] + longest * CHECKS))
        return min(ends)

    def begin(self, now: float, waiting: int) -> None:
        """A pass begins, for so many: in a wave of new wants each pass gathers longer than the one before."""
        if min(self._first.values(), default=now) - self._rested > self._pace.longest:
            self._stretch = 0
        elif waiting >= WAVE:
            self._stretch = min(self._stretch + 1, STRETCHES)
        rank = min(self._first, default=Rank.CHECK)
        if rank in self._paid:
            self._paid[rank] = max(self._paid[rank], now) + self._each
        self._began = now
        self._first = {}

    def end(self, now: float, waiting: Iterable[tuple[Rank, float]]) -> None:
        """The pass has ended, and these wait for the next."""
        self._rested = now
        self._cost(now - self._began)
        self._first = {}
        for rank, came in waiting:
            self._first[rank] = min(came, self._first.get(rank, came))
            self._last = max(self._last, came)

    def _cost(self, seconds: float) -> None:
        """A pass took so long: how many may still follow at once stays the same."""
        each = min(max(self._pace.endless, self._pace.rested * seconds), self._pace.longest)
        for rank, until in self._paid.items():
            if until > self._rested:
                self._paid[rank] = self._rested + (until - self._rested) * each / self._each
        self._each = each

    def _free(self, rank: Rank) -> float:
        """When a pass may begin for the rank again."""
        return self._paid[rank] - BURST * self._each
