"""The keyed work queue: which object is reconciled next. What is done with it is not known here."""

import asyncio
import heapq
import itertools
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cloudsql_iam_operator.services.waiting.line import Line, Room
from cloudsql_iam_operator.services.waiting.ranks import Rank

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

    A key is queued once, never handed out twice at a time, and handed out again when it was added meanwhile. The most
    pressing go first, places in turns, and no more are handed out than there is room for: work that only waits for
    an answer is parked, leaves its room to others and is handed out again by its rank. Belongs to one event loop.
    """

    def __init__(
        self,
        backoff: Backoff,
        clock: Callable[[], float] | None = None,
        *,
        room: Room | None = None,
        place: Callable[[K], str] = lambda key: "",
    ) -> None:
        self._backoff = backoff
        self._clock = clock or asyncio.get_running_loop().time
        self._room = room or Room(sys.maxsize, sys.maxsize)
        self._place = place
        self._line: Line[K] = Line()
        self._active: dict[K, Rank] = {}
        self._handed_out: Counter[Rank] = Counter()
        self._parked: set[K] = set()
        self._again: dict[K, Rank] = {}
        self._called: dict[K, asyncio.Future[None]] = {}
        self._calls: Counter[Rank] = Counter()
        self._later: list[tuple[float, int, K]] = []
        self._due: dict[K, tuple[float, Rank]] = {}
        self._order = itertools.count()
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Event()

    def add(self, key: K, rank: Rank = Rank.EDIT) -> None:
        """Work on this key soon."""
        self._due.pop(key, None)
        if key in self._active:
            self._again[key] = min(self._again.get(key, rank), rank)
            if (called := self._called.pop(key, None)) is not None:
                called.set_result(None)
            return
        self._line.put(key, self._place(key), rank)
        self._changed.set()

    def add_after(self, key: K, seconds: float, rank: Rank = Rank.CHECK) -> None:
        """Hand this key out again after that time, unless it is handed out earlier; the earliest such time counts."""
        due = self._clock() + seconds
        if key in self._line or self._due.get(key, (due + 1, rank))[0] <= due:
            return
        self._due[key] = due, rank
        heapq.heappush(self._later, (due, next(self._order), key))
        self._changed.set()

    def retry(self, key: K, longest: float = math.inf, rank: Rank = Rank.FIRST) -> float:
        """Work on this key again after its backoff, at most `longest` seconds; the seconds until then."""
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(self._backoff.delay(self._failures[key]), longest)
        self.add_after(key, delay, rank)
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
        return len(self._line)

    @property
    def under_way(self) -> int:
        """How many keys that are more than checks are worked on, or are soon; who waits to be called is not."""
        ranks = (rank for rank in Rank if rank is not Rank.CHECK)
        return sum(self._line.count(rank) + self._handed_out[rank] - self._calls[rank] for rank in ranks)

    async def take(self) -> tuple[K, Rank]:
        """The next key and its rank; call `done` with it afterwards. One that was parked comes again so too."""
        while True:
            self._promote()
            found = self._line.take(self._room.admits)
            if found is not None:
                key, rank = found
                self._parked.discard(key)
                self._handed_out[rank] += key not in self._active
                self._active[key] = rank
                self._room.enter(self._place(key))
                return found
            await self._wait()

    def park(self, key: K) -> None:
        """The work on this key waits for something, and needs no room until it is resumed."""
        self._parked.add(key)
        self._room.leave(self._place(key))
        self._changed.set()

    def resume(self, key: K) -> None:
        """Hand the parked key out again, by its rank."""
        self._line.put(key, self._place(key), self._active[key])
        self._changed.set()

    async def called(self, key: K, seconds: float) -> bool:
        """Whether the key, which is worked on, is added again within that time from now. It is handed out anyway."""
        call = self._called[key] = asyncio.get_running_loop().create_future()
        rank = self._active[key]
        self._calls[rank] += 1
        try:
            return bool((await asyncio.wait({call}, timeout=seconds))[0])
        finally:
            self._calls[rank] -= 1
            self._called.pop(key, None)

    def done(self, key: K) -> None:
        """The work on this key has ended, well or not."""
        self._handed_out[self._active.pop(key)] -= 1
        if key in self._parked:
            self._parked.discard(key)
            self._line.drop(key)
        else:
            self._room.leave(self._place(key))
        self._changed.set()
        if key in self._again:
            self.add(key, self._again.pop(key))

    def _promote(self) -> None:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            due, _, key = heapq.heappop(self._later)
            planned = self._due.get(key)
            if planned is not None and planned[0] == due:
                self.add(key, planned[1])

    async def _wait(self) -> None:
        self._changed.clear()
        left = self._later[0][0] - self._clock() if self._later else None
        try:
            async with asyncio.timeout(left):
                await self._changed.wait()
        except TimeoutError:
            return
