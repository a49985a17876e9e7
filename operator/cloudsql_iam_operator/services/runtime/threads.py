"""Where blocking calls run: pools of threads, of which every place has its share. What is called is not known here."""

import asyncio
import contextvars
import copy
import functools
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from cloudsql_iam_operator.api.parsing.times import duration_text
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.runtime.readings import Readings
from cloudsql_iam_operator.services.runtime.turns import parked
from cloudsql_iam_operator.services.waiting import ranks
from cloudsql_iam_operator.services.waiting.slots import Slots

T = TypeVar("T")

SWITCH_SECONDS = 0.0005
"""How long a thread that computes keeps the event loop waiting, at each step of what somebody else waits for; Python's
own is ten times as long. For `sys.setswitchinterval`."""

READ_SECONDS = 5.0
"""How old what was read for others may be, for who was not edited."""


class Threads:
    """A pool of at most `size` threads for what is outside, and another of `cluster` for the API server's answers.

    Google's client and psycopg block, and neither can be cancelled: a call that is given up still runs to its end in
    its thread, and its result is dropped. A place outside (a project, an instance) has at most a quarter of the
    threads at a time, so that one that is slow does not stop what is done for others. Belongs to one event loop.
    """

    def __init__(self, size: int, cluster: int | None = None) -> None:
        self._pools = _Pool(cluster or size, cluster or size, "cluster"), _Pool(size, max(1, size // 4), "outside")
        self._place = ""
        self._readings: Readings[tuple[object, ...], Any] = Readings()

    def of(self, place: str) -> "Threads":
        """The same threads, for calls to one place outside."""
        share = copy.copy(self)
        vars(share)["_place"] = place
        return share

    async def call(self, function: Callable[..., T], *args: object, timeout: float) -> T:  # noqa: ASYNC109 - see Raises
        """What the function returns or raises, run in a thread with the caller's context.

        Waiting for a free thread counts too; the most pressing callers get one first. A reconcile that calls outside
        is parked meanwhile.

        Raises:
            NotYet: it took longer than `timeout` seconds.
        """
        call = self._call(function, *args, timeout=timeout)
        return await (parked(call) if self._place else call)

    async def read(self, function: Callable[..., T], *args: Hashable, timeout: float) -> T:  # noqa: ASYNC109
        """As `call`, for what many ask at the same time: read once for all who came before that began.

        What nobody edited may be read up to READ_SECONDS before.

        Raises:
            NotYet: it took longer than `timeout` seconds.
        """
        max_age = 0.0 if ranks.current() is ranks.Rank.EDIT else READ_SECONDS
        what = function.__qualname__, *args
        value: T = await self._readings.read(what, lambda: self.call(function, *args, timeout=timeout), max_age=max_age)
        return value

    async def _call(self, function: Callable[..., T], *args: object, timeout: float) -> T:  # noqa: ASYNC109
        context = contextvars.copy_context()
        pool = self._pools[bool(self._place)]
        try:
            async with asyncio.timeout(timeout) as limit:
                await pool.slots.enter(self._place)
                return await asyncio.shield(pool.start(self._place, functools.partial(context.run, function, *args)))
        except TimeoutError as error:
            if not limit.expired():
                raise
            name = getattr(function, "__name__", repr(function))
            text = f"{name.replace('_', ' ')} did not end within {duration_text(timeout)}"
            raise NotYet(Reason.PROGRESSING_WITH_RETRY, text) from error

    def close(self) -> None:
        """Start nothing more. Calls that run are left to end by themselves."""
        for pool in self._pools:
            pool.executor.shutdown(wait=False, cancel_futures=True)


class _Pool:
    """Threads, and the slots before them: a slot is free when its thread is, whether or not somebody still waits."""

    def __init__(self, size: int, share: int, name: str) -> None:
        self.executor = ThreadPoolExecutor(size, thread_name_prefix=name)
        self.slots = Slots(size, share)

    def start(self, place: str, call: Callable[[], T]) -> "asyncio.Future[T]":
        """Run the call in a thread; its slot was entered before."""
        running = asyncio.get_running_loop().run_in_executor(self.executor, call)

        def ended(future: "asyncio.Future[T]") -> None:
            if not future.cancelled():
                future.exception()  # looked at, so that asyncio does not complain when nobody waits for it
            self.slots.leave(place)

        running.add_done_callback(ended)
        return running
