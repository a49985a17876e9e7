"""Sessions of one instance: how many at a time, and which outlast a pass because the next one is at hand."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from cloudsql_iam_operator.adapters.postgres.database import Access, Database
from cloudsql_iam_operator.services.runtime.turns import parked
from cloudsql_iam_operator.services.waiting.slots import Slots

KEPT_SECONDS = 10.0
"""How long a session waits for the pass that it was kept for."""


@dataclass(slots=True)
class Seat:
    """The right to one session of a database. `opened` is for one thread at a time.

    `wanted` is whether another pass is at hand, so that the session is to be kept for it.
    """

    wanted: Callable[[], bool]
    kept: Database | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _left: bool = False

    @contextmanager
    def opened(self, access: Access, name: str) -> Iterator[Database]:
        """The session that was kept, when it was made the same way and answers; else a new one.

        Raises:
            NotYet: there is no way in.
        """
        database = self._resumed(access) or Database(access, name)
        try:
            yield database
        except BaseException:
            database.close()
            raise
        if not self._keep(database):
            database.close()

    def leave(self) -> Database | None:
        """The session that is kept, if one is; whatever still runs here keeps none any more."""
        with self._lock:
            self._left = True
            kept, self.kept = self.kept, None
            return kept

    def _resumed(self, access: Access) -> Database | None:
        kept, self.kept = self.kept, None
        if kept is None or kept.resumed(access):
            return kept
        kept.close()
        return None

    def _keep(self, database: Database) -> bool:
        with self._lock:
            if self._left or not self.wanted():
                return False
            self.kept = database
            return True


class Sessions:
    """At most `size` sessions of one instance at a time, one for each database. Belongs to one event loop."""

    def __init__(self, size: int, seconds: float = KEPT_SECONDS) -> None:
        self._slots = Slots(size, 1)
        self._seconds = seconds
        self._kept: dict[str, tuple[Database, asyncio.TimerHandle]] = {}

    @asynccontextmanager
    async def held(self, database: str, wanted: Callable[[], bool] = lambda: False) -> AsyncIterator[Seat]:
        """A seat for the length of the block; the most pressing get one first."""
        seat = Seat(wanted, await self._enter(database))
        try:
            yield seat
        finally:
            self._leave(database, seat.leave())

    @asynccontextmanager
    async def alone(self, database: str) -> AsyncIterator[None]:
        """The right to one session that the block opens and closes itself."""
        if database in self._kept:
            self._close(database)
        async with self.held(database):
            yield

    def close(self) -> None:
        """Close the sessions that are kept."""
        for database in list(self._kept):
            self._close(database)

    async def _enter(self, database: str) -> Database | None:
        found = self._kept.pop(database, None)
        if found is not None:
            found[1].cancel()
            return found[0]
        if self._slots.full and self._kept:
            self._close(next(iter(self._kept)))
        await parked(self._slots.enter(database))
        return None

    def _leave(self, database: str, kept: Database | None) -> None:
        if kept is None or self._slots.awaited:
            if kept is not None:
                kept.close()
            self._slots.leave(database)
            return
        timer = asyncio.get_running_loop().call_later(self._seconds, self._close, database)
        self._kept[database] = kept, timer

    def _close(self, database: str) -> None:
        """Close a session that is kept, and let another be opened."""
        kept, timer = self._kept.pop(database)
        timer.cancel()
        kept.close()
        self._slots.leave(database)
