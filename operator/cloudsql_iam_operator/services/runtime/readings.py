"""What is read for many at once: one reading at a time of each thing, shared by all who came before it began."""

import asyncio
import contextvars
import itertools
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from cloudsql_iam_operator.services.runtime.turns import parked

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

DROPPED = 8
"""Old readings that go, at most, when a new one comes: more than come, so that none stay."""


class Readings(Generic[K, V]):
    """The latest reading of each thing, for as long as anybody takes one so old. Belongs to one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._latest: dict[K, tuple[V, float]] = {}
        self._longest = 0.0
        self._running: dict[K, tuple[asyncio.Task[V], float]] = {}

    async def read(self, what: K, read: Callable[[], Awaitable[V]], *, max_age: float, pause: float = 0.0) -> V:
        """A reading that began at most `max_age` seconds ago; with 0 one that begins now.

        Two begin at least `pause` seconds after each other, and who comes in between shares the second.
        What the reading raises is raised to all who waited for it, and then an older one does not speak for it.
        """
        came = self._clock()
        self._longest = max(self._longest, max_age, pause)
        latest = self._latest.get(what)
        if latest is not None and came - latest[1] < max_age:
            return latest[0]
        while what in self._running:
            running, began = self._running[what]
            if came - began < max_age:
                return await parked(asyncio.shield(running))
            await parked(asyncio.wait({running}))
        return await parked(asyncio.shield(self._start(what, read, pause)))

    def _start(self, what: K, read: Callable[[], Awaitable[V]], pause: float) -> "asyncio.Task[V]":
        former = self._latest.pop(what, None)
        began = self._clock() if former is None else max(self._clock(), former[1] + pause)

        async def reading() -> V:
            try:
                if (left := began - self._clock()) > 0:
                    await asyncio.sleep(left)
                value = await read()
                self._latest[what] = value, began
                self._drop_old()
            finally:
                del self._running[what]
            return value

        # a context of its own: it goes on whoever of those who wait is gone
        task = asyncio.get_running_loop().create_task(reading(), context=contextvars.Context())
        self._running[what] = task, began
        return task

    def __len__(self) -> int:
        """How many readings are kept."""
        return len(self._latest)

    def _drop_old(self) -> None:
        """Drop what nobody takes any more; the oldest stand first, or nearly so."""
        for what, (_, began) in list(itertools.islice(self._latest.items(), DROPPED)):
            if self._clock() - began <= self._longest:
                return
            del self._latest[what]
