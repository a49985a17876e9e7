"""The lane of one database: all DatabaseGrants that name it, brought about by one connection in one pass."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.drift import Drift, Held
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.services.identities.sessions import Sessions
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer, Memory, Passed
from cloudsql_iam_operator.services.lanes.lane import Lane, PassResult, nobody, none
from cloudsql_iam_operator.services.lanes.recording import Record, from_thread, nowhere
from cloudsql_iam_operator.services.runtime.ledgers import Records
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting.pace import Pace
from cloudsql_iam_operator.services.waiting.ranks import Rank

PASS_SECONDS = 240.0
"""Longest time of one pass; writing ends well before (see Limits)."""


@dataclass(frozen=True, slots=True)
class Passes:
    """How passes are run: in which threads, how many at a time on one instance, and how long is gathered before.

    `tell` is called for objects of which a pass that they did not ask for found something else, and `coming` is how
    many objects may come. `record` has an object record what is about to be granted for it.
    """

    threads: Threads
    sessions: Sessions
    pace: Pace = field(default_factory=Pace)
    tell: Callable[[Key], None] = nobody
    coming: Callable[[], int] = none
    record: Record = nowhere


class DatabaseLane:
    """Brings one database of one instance to the union of what is wanted of it.

    `access` is asked before each pass, so that a new password or owner role counts. `claims` gives what live objects
    record that are none of those which want something here; those that want nothing here yet keep what they hold.
    """

    def __init__(
        self,
        database: str,
        access: Callable[[], Access],
        claims: Callable[[Collection[Key]], Records],
        passes: Passes,
    ) -> None:
        self._database = database
        self._access = access
        self._claims = claims
        self._passes = passes
        self._memory: Memory | None = None
        self._held: Held | None = None
        self._drift: dict[Key, Drift] = {}
        self._tried: dict[Key, GrantWant] = {}
        self._lane: Lane[Key, GrantWant, GrantAnswer] = Lane(self._pass, passes.pace, passes.tell, passes.coming)

    async def apply(self, key: Key, want: GrantWant, *, max_age: float = 0.0) -> GrantAnswer:
        """How the database stands to the want, after what could be done was done.

        `max_age` (seconds) lets a pass that found nothing to do serve later callers.

        Raises:
            NotYet: the database cannot be reached, or does not exist while something is wanted in it.
        """
        return self._with_drift(key, await self._lane.submit(key, want, max_age=max_age))

    def _at_hand(self, standing: Mapping[Key, GrantWant]) -> Callable[[], bool]:
        """Whether another pass is: somebody waits, or was shown by this one what it comes again to have done."""
        shown = any(want.dry for key, want in standing.items() if self._lane.rank(key) is not Rank.CHECK)
        return lambda: shown or self._lane.awaited

    @property
    def in_line(self) -> int:
        """How many objects wait for it."""
        return self._lane.in_line

    def press(self, key: Key) -> None:
        """Let who waits for the object go ahead as an edit does."""
        self._lane.press(key)

    def forget(self, key: Key) -> None:
        """Want nothing for this key any more, and take nothing back."""
        self._lane.forget(key)
        self._tried.pop(key, None)
        self._drift.pop(key, None)

    async def _pass(self, standing: Mapping[Key, GrantWant]) -> PassResult[Key, GrantAnswer]:
        wants = {key: self._once(key, want) for key, want in standing.items()}
        claims = self._claims(wants.keys())
        record, sought = from_thread(self._passes.record), self._lane.sought

        def database_pass() -> Passed:
            return run_pass(
                access,
                self._database,
                wants,
                claims.applied,
                self._memory,
                before=self._held,
                exceptions=claims.found,
                opening=seat.opened,
                record=record,
                sought=sought,
            )

        async with self._passes.sessions.held(self._database, self._at_hand(standing)) as seat:
            access = self._access()
            passed = await self._passes.threads.call(database_pass, timeout=PASS_SECONDS)
        self._memory, self._held = passed.memory, passed.held
        for key, want in passed.recorded.items():
            self._lane.amend(key, want)
        for key, answer in passed.answers.items():
            if isinstance(answer, GrantAnswer) and answer.drift.privileges:
                self._drift[key] = self._drift.get(key, Drift()).followed_by(answer.drift)
        still = frozenset(key for key, answer in passed.answers.items() if _nothing_new(answer))
        return PassResult(passed.answers, passed.clean, still, whole=passed.whole)

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


def _nothing_new(answer: GrantAnswer | Exception) -> bool:
    """Whether a pass found a key as it is declared, and did nothing for it."""
    return isinstance(answer, GrantAnswer) and not (answer.executed or answer.problems or answer.drift.privileges)
