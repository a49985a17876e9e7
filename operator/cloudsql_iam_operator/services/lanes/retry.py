"""Trying again within one pass: how long to pause between attempts, and when to give up."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 64.0
CALM = 120.0
"""Seconds: how long a circuit is open at first and at last, and after what time without failures it begins anew."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Pauses in seconds with full jitter under a ceiling that doubles from `first` to `longest`; `total` in all."""

    first: float = 0.2
    longest: float = 30.0
    total: float = 60.0

    def pauses(self) -> Iterator[float]:
        """The pause before each further attempt."""
        ceiling, spent = self.first, 0.0
        while spent + ceiling <= self.total:
            pause = random.uniform(0.0, ceiling)  # noqa: S311 - spreads a herd, guards no secret
            # the ceiling counts, not the draw, so that attempts are bounded too
            spent += ceiling
            ceiling = min(ceiling * 2, self.longest)
            yield pause


QUOTA = frozenset({Reason.QUOTA_EXCEEDED})
OVERLOAD = QUOTA | {Reason.GOOGLE_UNREACHABLE}
"""Failures for which the next call had better wait, whoever makes it."""


class Circuit:
    """Holds back calls to something that asked to be left alone, or does not answer. Belongs to one event loop.

    Where no time is told the pause grows from the second failure on, with jitter, until calls were made in peace.
    """

    def __init__(self, heeded: frozenset[Reason] = QUOTA) -> None:
        self._heeded = heeded
        self._until = 0.0
        self._strikes = 0
        self._why = NotYet(Reason.QUOTA_EXCEEDED, "")

    def left(self, now: float) -> float:
        """Seconds still to wait; 0.0 when calls may be made."""
        return max(0.0, self._until - now)

    def why(self, now: float) -> NotYet:
        """The failure that holds calls back, to be tried again when that is over."""
        return NotYet(self._why.reason, self._why.message, self.left(now))

    def heed(self, now: float, failure: NotYet) -> None:
        """Make no call for as long as a failure says, or for a while."""
        if failure.reason not in self._heeded:
            return
        self._strikes = self._strikes + 1 if now - self._until < CALM else 1
        grown = 0.0
        if self._strikes > 1:  # one may be chance
            longest = min(FIRST_PAUSE * 2 ** (self._strikes - 2), LONGEST_PAUSE)
            grown = random.uniform(0.5, 1.0) * longest  # noqa: S311 - as above
        self._why = failure
        self._until = max(self._until, now + (failure.retry_after or grown))
