"""Trying again within one pass: how long to pause between attempts, and when to give up."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason


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


class Circuit:
    """Holds back calls to something that asked to be left alone for a while. Belongs to one event loop."""

    def __init__(self) -> None:
        self._until = 0.0

    def left(self, now: float) -> float:
        """Seconds still to wait; 0.0 when calls may be made."""
        return max(0.0, self._until - now)

    def heed(self, now: float, failure: NotYet) -> None:
        """Make no call for as long as a failure for want of quota says."""
        if failure.reason is Reason.QUOTA_EXCEEDED:
            self._until = max(self._until, now + (failure.retry_after or 1.0))
