"""The keyed work queue: which object is reconciled next. What is done with it is not known here."""

import asyncio
import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds to wait after failures in a row: doubling from `first` to `longest`, with jitter over the upper half."""

    first: float = 0.5
    longest: float = 300.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after that many failures (1 or more)."""
        ceiling = min(self.longest, self.first * 2.0 ** min(failures - 1, 30))
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads a herd, guards no secret


class WorkQueue(Generic[K]):
    """Keys to work on, with the semantics of client-go's work queue.

    A key is queued once, never handed out twice at a time, and handed out again when it was added meanwhile. Edits
    go ahead of periodic checks. Belongs to one event loop.
    """

    def __init__(self, backoff: Backoff, clock: Callable[[], float] | None = None) -> None:
        self._backoff = backoff
        self._clock = clock or asyncio.get_running_loop().time
        self._edits: deque[K] = deque()
        self._checks: deque[K] = deque()
        self._queued: set[K] = set()
        self._active: set[K] = set()
        self._again: dict[K, bool] = {}
        self._later: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._order = itertools.count()
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Event()

    def add(self, key: K, *, edit: bool = True) -> None:
        """Look at this key soon; `edit` puts it ahead of periodic checks."""
        self._due.pop(key, None)
        if key in self._active:
            self._again[key] = self._again.get(key, False) or edit
            return
        if key in self._queued:
            if edit and key in self._checks:
                self._checks.remove(key)
                self._edits.append(key)
            return
        self._queued.add(key)
        (self._edits if edit else self._checks).append(key)
        self._changed.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Hand this key out again after that time, unless it is handed out earlier; the earliest such time counts."""
        due = self._clock() + seconds
        if key in self._queued or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._later, (due, next(self._order), key))
        self._changed.set()

    def retry(self, key: K, longest: float = math.inf) -> float:
        """Look at this key again after its backoff, at most `longest` seconds; the seconds until then."""
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(self._backoff.delay(self._failures[key]), longest)
        self.add_after(key, delay)
        return delay

    def succeeded(self, key: K) -> None:
        """Forget the failures of this key."""
        self._failures.pop(key, None)

    def forget(self, key: K) -> None:
        """The object is gone: drop its failures and its waiting time."""
        self._failures.pop(key, None)
        self._due.pop(key, None)

    def __len__(self) -> int:
        """Keys ready to be handed out; delayed ones do not count."""
        return len(self._queued)

    async def take(self) -> K:
        """The next key; call `done` with it afterwards."""
        while True:
            self._promote()
            for ready in (self._edits, self._checks):
                if ready:
                    key = ready.popleft()
                    self._queued.discard(key)
                    self._active.add(key)
                    return key
            await self._wait()

    def done(self, key: K) -> None:
        """The work on this key has ended, well or not."""
        self._active.discard(key)
        if key in self._again:
            self.add(key, edit=self._again.pop(key))

    def _promote(self) -> None:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            due, _, key = heapq.heappop(self._later)
            if self._due.get(key) == due:
                self.add(key, edit=False)

    async def _wait(self) -> None:
        self._changed.clear()
        left = self._later[0][0] - self._clock() if self._later else None
        try:
            await asyncio.wait_for(self._changed.wait(), None if left is None else max(left, 0.0))
        except TimeoutError:
            return
