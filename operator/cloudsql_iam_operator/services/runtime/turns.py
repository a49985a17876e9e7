"""Every key that the queue hands out gets a task of its own, which holds room only while it does something itself."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cloudsql_iam_operator.services.runtime.workqueue import K, WorkQueue
from cloudsql_iam_operator.services.waiting import ranks

T = TypeVar("T")

_TURN: contextvars.ContextVar["_Turn[Any] | None"] = contextvars.ContextVar("turn", default=None)


async def parked(waiting: Awaitable[T]) -> T:
    """What the awaited gives. Work that waits for others' work does so through this, and leaves its room meanwhile."""
    turn = _TURN.get()
    if turn is None:
        return await waiting
    turn.leave()
    try:
        value = await waiting
    except Exception:
        await turn.come_back()
        raise
    await turn.come_back()
    return value


async def called(seconds: float) -> bool:
    """Whether what is worked on is to be looked at again within that time, parked meanwhile; outside a turn it is not.

    For work that goes on when what it waits for happens, rather than ends and begins anew.
    """
    turn = _TURN.get()
    return await parked(turn.called(seconds)) if turn is not None and seconds > 0 else False


class Turns(Generic[K]):
    """Works on what a queue hands out. Belongs to one event loop."""

    def __init__(self, queue: WorkQueue[K], work: Callable[[K], Awaitable[None]]) -> None:
        self._queue = queue
        self._work = work
        self._waiting: dict[K, asyncio.Future[None]] = {}
        self._ended = False

    async def run(self) -> None:
        """Work for ever, or until one piece of work raises: then the others are cancelled, and that is raised."""
        try:
            async with asyncio.TaskGroup() as group:
                await self._hand_out(group)
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    async def _hand_out(self, group: asyncio.TaskGroup) -> None:
        try:
            while True:
                key, rank = await self._queue.take()
                waiting = self._waiting.pop(key, None)
                if waiting is None:
                    group.create_task(self._turn(key, rank))
                elif not waiting.done():
                    waiting.set_result(None)
        finally:
            self._ended = True

    async def _turn(self, key: K, rank: ranks.Rank) -> None:
        ranks.enter(rank)
        _TURN.set(_Turn(self, key))
        try:
            await self._work(key)
        finally:
            self._waiting.pop(key, None)
            self._queue.done(key)

    def leave(self, key: K) -> None:
        """The work on this key gives up its room."""
        self._queue.park(key)

    async def come_back(self, key: K) -> None:
        """Return when the work on this key has room again."""
        if self._ended:  # nobody would hand it out, and who waits for it would wait for ever
            raise asyncio.CancelledError
        self._waiting[key] = asyncio.get_running_loop().create_future()
        self._queue.resume(key)
        await self._waiting[key]

    async def called(self, key: K, seconds: float) -> bool:
        """Whether this key is to be looked at again within that time."""
        return await self._queue.called(key, seconds)


@dataclass(frozen=True, slots=True)
class _Turn(Generic[K]):
    """The work in this task: it gives up its room, gets some again, and is called. Thousands wait: it holds little."""

    turns: Turns[K]
    key: K

    def leave(self) -> None:
        self.turns.leave(self.key)

    def come_back(self) -> Awaitable[None]:
        return self.turns.come_back(self.key)

    def called(self, seconds: float) -> Awaitable[bool]:
        return self.turns.called(self.key, seconds)
