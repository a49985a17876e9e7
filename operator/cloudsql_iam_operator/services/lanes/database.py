"""The lane of one database: all DatabaseGrants that name it, brought about by one connection in one pass."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.drift import Drift, Held
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer, Memory, Passed
from cloudsql_iam_operator.services.lanes.lane import Lane, Pace, PassResult
from cloudsql_iam_operator.services.runtime.threads import Threads

REACH_SECONDS = 60.0
PASS_SECONDS = 180.0
"""Longest time of one pass; writing ends well before (see Limits)."""


@dataclass(frozen=True, slots=True)
class Passes:
    """How passes are run: in which threads, how many at a time on one instance, and how long is gathered before."""

    threads: Threads
    slots: asyncio.Semaphore
    pace: Pace = field(default_factory=Pace)


class DatabaseLane:
    """Brings one database of one instance to the union of what is wanted of it.

    `access` is asked before each pass, so that a new password or owner role counts. `claims` gives the ledgers of live
    objects of this database, and `exceptions` what of them was found; those that want nothing here yet keep what they
    hold.
    """

    def __init__(
        self,
        database: str,
        access: Callable[[], Access],
        claims: Callable[[], Mapping[Key, Ledger]],
        passes: Passes,
        exceptions: Callable[[], Mapping[Key, Ledger]] = dict,
    ) -> None:
        self._database = database
        self._access = access
        self._claims = claims
        self._exceptions = exceptions
        self._passes = passes
        self._memory: Memory | None = None
        self._held: Held | None = None
        self._drift: dict[Key, Drift] = {}
        self._tried: dict[Key, GrantWant] = {}
        self._lane: Lane[Key, GrantWant, GrantAnswer] = Lane(self._pass, passes.pace)

    async def apply(self, key: Key, want: GrantWant, *, max_age: float = 0.0) -> GrantAnswer:
        """How the database stands to the want, after what could be done was done.

        `max_age` (seconds) lets a pass that found nothing to do serve later callers.

        Raises:
            NotYet: the database cannot be reached, or does not exist while something is wanted in it.
        """
        return self._with_drift(key, await self._lane.submit(key, want, max_age=max_age))

    async def reach(self) -> None:
        """Log in and out.

        Raises:
            NotYet: there is no way in.
        """
        await self._passes.threads.call(_reached, self._access(), self._database, timeout=REACH_SECONDS)

    def forget(self, key: Key) -> None:
        """Want nothing for this key any more, and take nothing back."""
        self._lane.forget(key)
        self._tried.pop(key, None)
        self._drift.pop(key, None)

    async def _pass(self, standing: Mapping[Key, GrantWant]) -> PassResult[Key, GrantAnswer]:
        wants = {key: self._once(key, want) for key, want in standing.items()}
        exceptions = self._exceptions()
        claims = {key: ledger for key, ledger in self._claims().items() if key not in wants}

        def database_pass() -> Passed:
            return run_pass(
                access, self._database, wants, claims, self._memory, before=self._held, exceptions=exceptions
            )

        async with self._passes.slots:
            access = self._access()
            passed = await self._passes.threads.call(database_pass, timeout=PASS_SECONDS)
        self._memory, self._held = passed.memory, passed.held
        for key, answer in passed.answers.items():
            if isinstance(answer, GrantAnswer) and answer.drift.privileges:
                self._drift[key] = self._drift.get(key, Drift()).followed_by(answer.drift)
        return PassResult(passed.answers, passed.clean)

    def _with_drift(self, key: Key, answer: GrantAnswer) -> GrantAnswer:
        """The answer with all drift not announced yet: a pass that somebody else asked for corrects everybody's."""
        drift = self._drift.pop(key, None)
        if drift is None:
            return answer
        return replace(answer, drift=drift if answer.drift.privileges else replace(drift, beside=answer.granted))

    def _once(self, key: Key, want: GrantWant) -> GrantWant:
        """The want, without its approval when a pass has had that: a want stands for later passes, an approval not."""
        if not want.approved:
            return want
        if self._tried.get(key) is want:
            return replace(want, approved="")
        self._tried[key] = want
        return want


def _reached(access: Access, database: str) -> None:
    access.connect(database).close()
