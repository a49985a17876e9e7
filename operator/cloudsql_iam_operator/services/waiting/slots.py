"""Slots that are held for a while: threads, sessions. What is done meanwhile is not known here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cloudsql_iam_operator.services.waiting import ranks
from cloudsql_iam_operator.services.waiting.line import Line, Room


class Slots:
    """At most `size` at a time, at most `share` of one place; the others wait in line. Belongs to one event loop."""

    def __init__(self, size: int, share: int) -> None:
        self._room = Room(size, share)
        self._line: Line[asyncio.Future[None]] = Line()
        self._places: dict[asyncio.Future[None], str] = {}

    @property
    def full(self) -> bool:
        """Whether none is free."""
        return self._room.full

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for one."""
        return bool(self._places)

    async def enter(self, place: str) -> None:
        """Return when a slot is held; `leave` gives it back. The rank in line is the caller's."""
        if self._room.admits(place):  # whoever waits is not admitted: of another place that has its share
            self._room.enter(place)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._places[turn] = place
        self._line.put(turn, place, ranks.current())
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(place)
            else:
                self._line.drop(turn)
                self._places.pop(turn, None)
            raise

    def leave(self, place: str) -> None:
        """Give a slot back."""
        self._room.leave(place)
        self._admit()

    @asynccontextmanager
    async def held(self, place: str) -> AsyncIterator[None]:
        """Hold a slot for the length of the block."""
        await self.enter(place)
        try:
            yield
        finally:
            self.leave(place)

    def _admit(self) -> None:
        while (found := self._line.take(self._room.admits)) is not None:
            turn, _ = found
            place = self._places.pop(turn)
            if not turn.cancelled():  # by whoever waited, which has not run since
                self._room.enter(place)
                turn.set_result(None)
