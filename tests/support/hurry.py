"""An event loop whose clock jumps to the next timer when nothing else is to do: an hour of waiting takes no time."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Hurried(asyncio.SelectorEventLoop):
    """No threads and no sockets: only timers pass its time."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1000.0

    def time(self) -> float:
        """Seconds, as far as timers have carried it."""
        return self._now

    def _run_once(self) -> None:
        ready: Any = vars(self)["_ready"]
        scheduled: Any = vars(self)["_scheduled"]
        timers = [timer.when() for timer in scheduled if not timer.cancelled()]
        if not ready and timers:
            self._now = max(self._now, min(timers))
        elif not ready:
            raise RuntimeError("everything waits, and nothing will ever happen")
        super()._run_once()  # type: ignore[misc] # asyncio's own step, which typeshed leaves out


def hurried(story: Coroutine[Any, Any, T]) -> T:
    """What the story gives, told without waiting."""
    with asyncio.Runner(loop_factory=Hurried) as runner:
        return runner.run(story)
