"""Every key that the queue hands out gets a task of its own, which holds room only while it does something itself."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

from cloudsql_iam_operator.services.runtime.workqueue import K, WorkQueue
from cloudsql_iam_operator.services.waiting import ranks

T = TypeVar("T")

_TURN: contextvars.ContextVar["_Turn | None"] = contextvars.ContextVar("turn", default=None)


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
        called = partial(self._queue.called, key)
        _TURN.set(_Turn(lambda: self._queue.park(key), lambda: self._comes_back(key), called))
        try:
            await self._work(key)
        finally:
            self._waiting.pop(key, None)
            self._queue.done(key)

    async def _comes_back(self, key: K) -> None:
        if self._ended:  # nobody would hand it out, and who waits for it would wait for ever
            raise asyncio.CancelledError
        self._waiting[key] = asyncio.get_running_loop().create_future()
        self._queue.resume(key)
        await self._waiting[key]


class _Turn:
    """How the work in this task gives up its room, how it gets some again, and how it is called."""

    def __init__(
        self,
        leave: Callable[[], None],
        come_back: Callable[[], Awaitable[None]],
        called: Callable[[float], Awaitable[bool]],
    ) -> None:
        self.leave = leave
        self.come_back = come_back
        self.called = called
