"""Where blocking calls run: one bounded pool of threads. What is called is not known here."""

import asyncio
import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason

T = TypeVar("T")


class Threads:
    """A pool of at most `size` threads, shared by all that talks to the outside.

    Google's client and psycopg block, and neither can be cancelled: a call that is given up still runs to its end in
    its thread, and its result is dropped.
    """

    def __init__(self, size: int) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="outside")

    async def call(self, function: Callable[..., T], *args: object, timeout: float) -> T:  # noqa: ASYNC109 - see Raises
        """What the function returns or raises, run in a thread with the caller's context.

        Waiting for a free thread counts too.

        Raises:
            NotYet: it took longer than `timeout` seconds.
        """
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._pool, functools.partial(context.run, function, *args))
        try:
            return await asyncio.wait_for(asyncio.shield(running), timeout)
        except TimeoutError as error:
            if running.done() and not running.cancelled() and running.exception() is error:
                raise
            running.cancel()
            running.add_done_callback(_dropped)
            name = getattr(function, "__name__", repr(function))
            text = f"{name.replace('_', ' ')} did not end within {timeout:.0f} s"
            raise NotYet(Reason.PROGRESSING_WITH_RETRY, text) from error
        except asyncio.CancelledError:
            running.cancel()
            running.add_done_callback(_dropped)
            raise

    def close(self) -> None:
        """Start nothing more. Calls that run are left to end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _dropped(future: "asyncio.Future[T]") -> None:
    """Look at the outcome of a call that nobody waits for, so that asyncio does not complain of it."""
    if not future.cancelled():
        future.exception()
