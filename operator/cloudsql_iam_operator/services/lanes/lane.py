"""A lane: one writer for one thing in the outside world. What a pass does belongs to whoever makes the lane."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from cloudsql_iam_operator.services.lanes.waiters import Known, Running, Waiter, given, may_have, settle
from cloudsql_iam_operator.services.runtime.turns import parked
from cloudsql_iam_operator.services.waiting import ranks
from cloudsql_iam_operator.services.waiting.looks import TICK, Looks
from cloudsql_iam_operator.services.waiting.pace import Gathering, Pace
from cloudsql_iam_operator.services.waiting.ranks import Overtaken, Rank

K = TypeVar("K", bound=Hashable)
W = TypeVar("W")
A = TypeVar("A")

LISTEN_SECONDS = 0.25
"""How often it is seen whether others are on their way still."""

FAILED_SECONDS = 30.0
"""When a look that nobody asked for is tried again after it failed."""


@dataclass(frozen=True, slots=True)
class PassResult(Generic[K, A]):
    """What a pass found: an answer or the failure for each key; `clean` when it had nothing to change.

    `still` are keys for which it had nothing to change, though it had for others. `left` are those it did not come to:
    they wait for the next pass. `whole`: it was over all wants; else it says nothing of those it has no answers for.
    """

    answers: Mapping[K, A | Exception]
    clean: bool
    still: frozenset[K] = frozenset()
    left: frozenset[K] = frozenset()
    whole: bool = True


RunPass = Callable[[Mapping[K, W]], Awaitable[PassResult[K, A]]]
"""One pass: brings the outside to the union of all wants and answers each. Raising fails every caller alike."""


def nobody(key: object) -> None:
    """Tell nobody."""


def none() -> int:
    """Expect nobody."""
    return 0


class Lane(Generic[K, W, A]):
    """Serialises passes over one outside thing and shares each pass among its callers.

    Wants stand until they are replaced or forgotten. A pass may be over some, with all that these have to do with. A
    caller is answered by a pass that saw its want and began after its call, or by an earlier one that is young enough
    and had nothing to change for it, also when that runs still. Before answers get too old the lane looks again at all
    by itself; `tell` is called with every key for which it then finds something else. Belongs to one event loop.
    """

    def __init__(
        self,
        run: RunPass[K, W, A],
        pace: Pace,
        tell: Callable[[K], None] = nobody,
        coming: Callable[[], int] = none,
    ) -> None:
        """`coming` is how many are looked at that may come here: while some may, more is gathered."""
        self._run = run
        self._tell = tell
        self._coming = coming
        self._loop = asyncio.get_running_loop()
        self._gathering = Gathering(pace)
        self._stirred = asyncio.Event()
        self._wants: dict[K, W] = {}
        self._looks: Looks[K] = Looks()
        self._known: dict[K, Known[W, A]] = {}
        self._waiters: dict[K, list[Waiter[W, A]]] = {}
        self._running: Running[K, W] | None = None
        self._unfinished = False
        self._worker: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def submit(self, key: K, want: W, *, max_age: float = 0.0) -> A:
        """The answer to `want`.

        `max_age` (seconds) lets an earlier pass serve that saw the same want; what it changed is told once.

        Raises:
            Overtaken: somebody pressed before a pass saw the want, which stands until it is replaced.
        """
        self._wants[key] = want
        if max_age:
            self._looks.content(key, max_age)
        known = self._served(key, want, max_age)
        if known is not None:
            return given(known.answer)
        waiter: Waiter[W, A] = Waiter(self._loop.create_future(), want, ranks.current(), self._loop.time(), max_age)
        self._waiters.setdefault(key, []).append(waiter)
        self._gathering.note(waiter.rank, waiter.came)
        self._stirred.set()
        self._stir()
        return await parked(waiter.future)

    def forget(self, key: K) -> None:
        """Want nothing for this key any more, and do not act on it; who waits for a pass to see it raises Overtaken."""
        self._wants.pop(key, None)
        self._looks.forget(key)
        self._known.pop(key, None)
        self._let_go(key)

    def wants(self, key: K) -> bool:
        """Whether something stands for this key."""
        return key in self._wants

    def press(self, key: K) -> None:
        """Something more pressing waits for who waits for this key: let those go that no pass has seen.

        They raise Overtaken. Those whose want is in the pass that runs wait for their answer, and hurry it.
        """
        for waiter in self._waiters.get(key, ()):
            waiter.rank = Rank.EDIT
            self._gathering.note(Rank.EDIT, self._loop.time())
            self._stirred.set()
        self._let_go(key)

    def _let_go(self, key: K) -> None:
        waiters = self._waiters.pop(key, [])
        for waiter in waiters:
            if not waiter.seen:
                settle(waiter.future, Overtaken())
        if seen := [waiter for waiter in waiters if waiter.seen]:
            self._waiters[key] = seen

    @property
    def in_line(self) -> int:
        """How many keys somebody waits for."""
        return len(self._waiters)

    @property
    def awaited(self) -> bool:
        """Whether somebody came since the last pass began."""
        return self._gathering.awaited

    def rank(self, key: K) -> Rank:
        """How pressing the answer for this key is."""
        return min((waiter.rank for waiter in self._waiters.get(key, ())), default=Rank.CHECK)

    @property
    def sought(self) -> frozenset[K] | None:
        """The keys that the pass that runs may be for alone; None when it is to be over all. Call from the pass."""
        return self._running.sought if self._running is not None else None

    @property
    def pressed(self) -> bool:
        """Whether an edit waits for the next pass, so that the one that runs had better end."""
        return self._gathering.pressed

    def answer(self, key: K, answer: A | Exception, *, news: bool = True) -> None:
        """Answer a key of the pass that runs, whose part is done. Call from the pass."""
        running = self._running
        if running is None or key in running.answered:
            return
        running.answered.add(key)
        known = Known(running.wants[key], answer, running.began, news or isinstance(answer, Exception), told=False)
        before = self._known.get(key)
        for waiter in self._waiters.pop(key, []):
            if may_have(waiter, known, self._loop.time()):
                settle(waiter.future, answer)
                known.told = True
            else:
                self._waiters.setdefault(key, []).append(waiter)
        if not self.wants(key):
            return
        self._known[key] = known
        changed = before is not None and not before.news and before.answer != answer
        if not known.told and (known.news or changed):
            self._tell(key)

    def amend(self, key: K, want: W) -> None:
        """Take this for the want of the pass that runs, which made it so; another one stands. Call from the pass."""
        running = self._running
        if running is None or key not in running.wants:
            return
        if self._wants.get(key) == running.wants[key]:
            self._wants[key] = want
        running.wants[key] = want

    def _served(self, key: K, want: W, max_age: float) -> Known[W, A] | None:
        known = self._known.get(key)
        if known is None or known.want != want or self._loop.time() - known.began >= max_age:
            return None
        if known.news and known.told:
            return None
        known.told = True
        self._wants[key] = known.want  # equal, and kept once
        return known

    def _stir(self) -> None:
        if self._worker is None or self._worker.done():
            if self._timer is not None:
                self._timer.cancel()
            # a context of its own: the pass belongs to none of its callers
            self._worker = self._loop.create_task(self._work(), context=contextvars.Context())

    async def _work(self) -> None:
        while self._waiters or self._unfinished:
            await self._gather()
            if self._waiters or self._unfinished:  # who was pressed comes again, and may be long in coming
                await self._pass()
        self._plan_look(self._looks.left(self._loop.time()))

    async def _gather(self) -> None:
        while self._waiters and (left := self._due() - self._loop.time()) > TICK:
            self._stirred.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, LISTEN_SECONDS)):
                    await self._stirred.wait()

    def _due(self) -> float:
        return self._gathering.due(coming=self._coming() > 0)

    def _plan_look(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._look) if seconds else None

    def _look(self) -> None:
        if self._wants and (self._worker is None or self._worker.done()):
            self._worker = self._loop.create_task(self._look_again(), context=contextvars.Context())

    async def _look_again(self) -> None:
        ranks.enter(Rank.CHECK)
        failed = await self._pass()
        if self._waiters or not failed:
            await self._work()
        else:
            self._plan_look(FAILED_SECONDS)

    async def _pass(self) -> bool:
        """Run a pass and answer; whether it failed as a whole."""
        began = self._loop.time()
        sought = self._may_be_for(began)
        waiting = [waiter for key, ones in self._waiters.items() if sought is None or key in sought for waiter in ones]
        for waiter in waiting:
            waiter.seen = True
        ranks.enter(min((waiter.rank for waiter in waiting), default=Rank.CHECK))
        self._gathering.begin(began, len(waiting))
        self._running = Running(dict(self._wants), began, sought)
        self._unfinished = False
        try:
            result = await self._run(self._running.wants)
        except Exception as error:  # noqa: BLE001 - whatever a pass dies of is the answer to its callers
            self._looks.ended(self._loop.time(), whole=False)
            self._fail(error)
            return True
        else:
            if result.whole:
                self._looks.ended(self._loop.time(), whole=True)
            self._conclude(self._running, result)
            return False
        finally:
            self._running = None
            left = [(waiter.rank, waiter.came) for waiters in self._waiters.values() for waiter in waiters]
            self._gathering.end(self._loop.time(), left)

    def _may_be_for(self, now: float) -> frozenset[K] | None:
        """Whom the next pass may be for alone: who waits for more than a check, while everything was looked at lately.

        Checks are looked at together, and wait for that.
        """
        if self._unfinished or not self._looks.fresh(now):
            return None
        return frozenset(key for key in self._waiters if self.rank(key) is not Rank.CHECK) or None

    def _conclude(self, running: Running[K, W], result: PassResult[K, A]) -> None:
        self._unfinished = bool(result.left)
        for key, answer in result.answers.items():
            self.answer(key, answer, news=not result.clean and key not in result.still)
        for key in [key for key in self._waiters if key not in running.answered and key not in result.left]:
            self._fail_one(key, LookupError(f"the pass gave no answer for {key}"))

    def _fail(self, error: Exception) -> None:
        for key in list(self._waiters):
            self._fail_one(key, error)

    def _fail_one(self, key: K, error: Exception) -> None:
        """Fail those of a key whose call the pass was for."""
        later = []
        for waiter in self._waiters.pop(key):
            if waiter.seen:
                settle(waiter.future, error)
            else:
                later.append(waiter)
        if later:
            self._waiters[key] = later
