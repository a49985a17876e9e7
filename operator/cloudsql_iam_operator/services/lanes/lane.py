"""A lane: one writer for one thing in the outside world. What a pass does belongs to whoever makes the lane."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
W = TypeVar("W")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a lane gathers before a pass, in seconds: until nothing came for `quiet`, at most `longest`."""

    quiet: float = 0.3
    longest: float = 5.0


@dataclass(frozen=True, slots=True)
class PassResult(Generic[K, A]):
    """What a pass found: an answer or the failure for each key; `clean` when it had nothing to change."""

    answers: Mapping[K, A | Exception]
    clean: bool


RunPass = Callable[[Mapping[K, W]], Awaitable[PassResult[K, A]]]
"""One pass: brings the outside to the union of all wants and answers each. Raising fails every caller alike."""


class Lane(Generic[K, W, A]):
    """Serialises passes over one outside thing and shares each pass among its callers.

    Wants stand until they are replaced or forgotten: a pass is always over all of them. A caller is answered by a
    pass that began after its call, or by the last pass when that was clean, saw the same want and is young enough.
    """

    def __init__(self, run: RunPass[K, W, A], pace: Pace, clock: Callable[[], float] | None = None) -> None:
        self._run = run
        self._pace = pace
        self._clock = clock or asyncio.get_running_loop().time
        self._wants: dict[K, W] = {}
        self._seen: dict[K, W] = {}
        self._answers: Mapping[K, A | Exception] = {}
        self._clean_since: float | None = None
        self._waiters: list[tuple[K, asyncio.Future[A]]] = []
        self._first = self._last = 0.0
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, key: K, want: W, *, max_age: float = 0.0) -> A:
        """The answer to `want`. `max_age` (seconds) lets a clean earlier pass that saw the same want serve."""
        self._wants[key] = want
        answer = self._served(key, want, max_age)
        if answer is not None:
            return answer
        self._last = self._clock()
        if not self._waiters:
            self._first = self._last
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiters.append((key, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    def forget(self, key: K) -> None:
        """Want nothing for this key any more, and do not act on it."""
        self._wants.pop(key, None)
        self._seen.pop(key, None)

    def wants(self, key: K) -> bool:
        """Whether something stands for this key."""
        return key in self._wants

    @property
    def pressed(self) -> bool:
        """Whether somebody waits for the next pass, so that the one that runs had better end."""
        return bool(self._waiters)

    def _served(self, key: K, want: W, max_age: float) -> A | None:
        if self._clean_since is None or self._waiters or self._clock() - self._clean_since >= max_age:
            return None
        answer = self._answers.get(key)
        if self._seen.get(key) != want or isinstance(answer, Exception):
            return None
        return answer

    async def _work(self) -> None:
        while self._waiters:
            await self._gather()
            waiters, self._waiters = self._waiters, []
            await self._pass(waiters)

    async def _gather(self) -> None:
        while True:
            due = min(self._last + self._pace.quiet, self._first + self._pace.longest)
            left = due - self._clock()
            if left <= 0:
                return
            await asyncio.sleep(left)

    async def _pass(self, waiters: list[tuple[K, "asyncio.Future[A]"]]) -> None:
        wants = dict(self._wants)
        began = self._clock()
        self._clean_since = None
        try:
            result = await self._run(wants)
        except Exception as error:  # noqa: BLE001 - whatever a pass dies of is the answer to its callers
            for _, future in waiters:
                _settle(future, error)
            return
        self._seen, self._answers = wants, result.answers
        self._clean_since = began if result.clean else None
        for key, future in waiters:
            _settle(future, result.answers[key] if key in result.answers else _unanswered(key))


def _unanswered(key: object) -> Exception:
    return LookupError(f"the pass gave no answer for {key}")


def _settle(future: "asyncio.Future[A]", answer: A | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
