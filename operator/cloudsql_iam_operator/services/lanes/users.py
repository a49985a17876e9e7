"""The one writer of an instance's database users: one list, one plan, one change after another."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import assert_never

from cloudsql_iam_operator.adapters.google.sqladmin import NewUser
from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import Failure, NotYet, Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.claims import folded
from cloudsql_iam_operator.core.users.plan import (
    Change,
    CreateUser,
    DatabaseUser,
    DeleteUser,
    GrantRoles,
    Ground,
    LeaveRoles,
    Ownership,
    UsersPlan,
    UserWant,
    plan_users,
)
from cloudsql_iam_operator.core.users.principals import kept
from cloudsql_iam_operator.services.lanes.lane import Lane, PassResult
from cloudsql_iam_operator.services.lanes.retry import Circuit, Retry
from cloudsql_iam_operator.services.lanes.user_wants import InstanceUsers, Turns, UserAnswer, UserNeighbours
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting.pace import Pace

log = logging.getLogger(__name__)

LIST_SECONDS = 90.0
CHANGE_SECONDS = 660.0
"""Longer than an operation is polled."""

PASS_SECONDS = 30.0
"""After this long a pass makes no further change: the rest waits for the next one, which sees the users anew."""

AT_ONCE = 10
"""Users that are announced together and then made, before it is seen whether something more pressing waits."""

REFUSED_SECONDS = 60.0
"""How long a user whose making Google refused is not tried again."""

BUSY = Retry(first=1.0, longest=20.0, total=120.0)
"""How long to keep trying while somebody else's operation runs on the instance."""


class UsersLane:
    """Database users of one instance. Belongs to one event loop."""

    def __init__(
        self,
        connection: ConnectionName,
        instance: InstanceUsers,
        threads: Threads,
        neighbours: UserNeighbours,
        *,
        pace: Pace | None = None,
        busy: Retry = BUSY,
        turn: asyncio.Lock | None = None,
    ) -> None:
        """`turn` is shared by lanes whose passes must not overlap."""
        self._connection = connection
        self._instance = instance
        self._threads = threads
        self._neighbours = neighbours
        self._busy = busy
        self._turn = turn or asyncio.Lock()
        self._circuit = Circuit()
        self._turns = Turns()
        self._ours: dict[str, Ownership] = {}
        self._granted: dict[str, frozenset[str]] = {}
        self._refused: dict[CreateUser, tuple[Refused, float]] = {}
        self._lane: Lane[Key, UserWant, UserAnswer] = Lane(
            self._in_turn, pace or Pace(), neighbours.tell, neighbours.coming
        )
        self.observed: tuple[DatabaseUser, ...] | None = None
        """Users as last listed; None before the first pass."""

    async def settle(self, key: Key, want: UserWant, *, max_age: float = 0.0) -> UserAnswer:
        """Bring the user to what the object wants. `max_age` (seconds) lets a clean earlier pass serve.

        With 0, which is a person's wish, what Google refused lately is tried again too.

        Raises:
            Failure: why it could not be. Other objects are not held up by it.
        """
        if not max_age:
            name = folded(want.claim.username)
            self._refused = {
                change: refusal for change, refusal in self._refused.items() if folded(change.name) != name
            }
        return await self._lane.submit(key, want, max_age=max_age)

    async def remove(self, key: Key, want: UserWant) -> UserAnswer:
        """Delete the user if it is the object's to delete, and forget the object.

        Raises:
            Failure: why it could not be deleted.
        """
        answer = await self._lane.submit(key, replace(want, absent=True))
        self._lane.forget(key)
        return answer

    async def make(self, key: Key, change: GrantRoles | LeaveRoles) -> None:
        """Make one change of database roles, whose need was seen in the database, at the lane's own turn.

        Raises:
            Failure: why it could not be made.
        """
        async with self._turn:
            failures = await self._made(key, change)
        if failures:
            raise failures[key]

    @property
    def in_line(self) -> int:
        """How many objects wait for it."""
        return self._lane.in_line

    def act_as(self, instance: InstanceUsers) -> None:
        """Read and write as another identity from the next pass on."""
        self._instance = instance

    def press(self, key: Key) -> None:
        """Let who waits for the object go ahead as an edit does."""
        self._lane.press(key)

    def forget(self, key: Key) -> None:
        """Leave the object's user as it is and want nothing for it."""
        self._lane.forget(key)

    def abandon(self, key: Key, username: str) -> None:
        """Leave the user as it is and no longer take it for ours."""
        self._lane.forget(key)
        self._disown(username)

    async def _in_turn(self, wants: Mapping[Key, UserWant]) -> PassResult[Key, UserAnswer]:
        async with self._turn:
            return await self._pass(wants)

    async def _pass(self, wants: Mapping[Key, UserWant]) -> PassResult[Key, UserAnswer]:
        self._require_quota()
        try:
            self.observed = await self._threads.call(self._instance.users, self._connection, timeout=LIST_SECONDS)
        except NotYet as failure:
            self._heed(failure)
            raise
        planned = self._planned(wants, self.observed)
        for key, refusal in planned.refusals.items():
            self._lane.answer(key, refusal)
        for key in planned.standing.keys() - planned.changes.keys():
            self._conclude(wants, planned, key)
        unknown = {key for key, want in wants.items() if want.ownership is not Ownership.CREATED}
        left = await self._changed(wants, planned, unknown)
        return PassResult({}, clean=not planned.changes, left=left)

    async def _changed(
        self, wants: Mapping[Key, UserWant], planned: UsersPlan[Key], unknown: set[Key]
    ) -> frozenset[Key]:
        """Make the changes, as far as time allows, and answer each; those that are left for the next pass.

        `unknown` are keys whose objects do not record the user as theirs yet.
        """
        failures = self._still_refused(planned.changes)
        for key, failure in failures.items():
            self._lane.answer(key, failure)
        due = self._turns.of(planned.changes.keys() - failures.keys(), self._lane.rank)
        end = asyncio.get_running_loop().time() + PASS_SECONDS
        for position, first in enumerate(due):
            if position % AT_ONCE == 0:
                if position and (self._lane.pressed or asyncio.get_running_loop().time() > end):
                    return frozenset(due[position:])
                chunk = due[position : position + AT_ONCE]
                failures |= await self._announced({k: planned.changes[k] for k in chunk if k in unknown})
            if first not in failures:
                self._turns.served(first, self._lane.rank(first))
                failures |= await self._made(first, planned.changes[first])
            self._conclude(wants, planned, first, failures.get(first))
        return frozenset()

    def _conclude(
        self, wants: Mapping[Key, UserWant], planned: UsersPlan[Key], key: Key, failure: Failure | None = None
    ) -> None:
        """Remember how a key's user stands now, and answer."""
        if failure is not None:
            self._lane.answer(key, failure)
            return
        standing, change = planned.standing[key], planned.changes.get(key)
        forgotten = not self._lane.wants(key)  # meanwhile: what was abandoned must not be ours again
        if standing.present and standing.ownership is not Ownership.NONE and not forgotten:
            name = wants[key].claim.whole
            self._ours[name], self._granted[name] = standing.ownership, standing.granted
        if isinstance(change, CreateUser):  # its object records that, and says so when it asks again
            self._lane.amend(key, replace(wants[key], ownership=Ownership.CREATED))
        self._lane.answer(key, UserAnswer(standing, change), news=change is not None)

    def _still_refused(self, changes: Mapping[Key, Change]) -> dict[Key, Failure]:
        now = asyncio.get_running_loop().time()
        self._refused = {change: refusal for change, refusal in self._refused.items() if refusal[1] > now}
        wanted = {key: change for key, change in changes.items() if isinstance(change, CreateUser)}
        return {key: self._refused[change][0] for key, change in wanted.items() if change in self._refused}

    def _planned(self, wants: Mapping[Key, UserWant], observed: tuple[DatabaseUser, ...]) -> UsersPlan[Key]:
        claims = [claim for key, claim in self._neighbours.claims().items() if key not in wants]
        # what was made and then deleted by somebody else is not ours when it comes back under the same name
        present = {folded(user.name) for user in observed}
        self._ours = {name: ownership for name, ownership in self._ours.items() if kept(name) in present}
        self._granted = {name: roles for name, roles in self._granted.items() if kept(name) in present}
        return plan_users(wants, Ground(observed, self._ours, self._granted, claims, self._neighbours.recorded()))

    async def _announced(self, changes: Mapping[Key, Change]) -> dict[Key, Failure]:
        new = {key: change.name for key, change in changes.items() if isinstance(change, CreateUser)}
        told = await asyncio.gather(
            *(self._neighbours.announce({key: name}) for key, name in new.items()), return_exceptions=True
        )
        failures = {key: failure for key, failure in zip(new, told, strict=True) if failure is not None}
        for failure in failures.values():
            if not isinstance(failure, Failure):
                raise failure
        return {key: failure for key, failure in failures.items() if isinstance(failure, Failure)}

    async def _made(self, key: Key, change: Change) -> dict[Key, Failure]:
        """Make a change; {} when it was made, else the key's failure."""
        pauses = self._busy.pauses()
        while True:
            try:
                self._require_quota()
                await self._make(change)
            except NotYet as failure:
                self._heed(failure)
                pause = next(pauses, None) if failure.reason is Reason.OPERATION_IN_PROGRESS else None
                if pause is None:
                    return {key: failure}
                await asyncio.sleep(pause)
            except Refused as failure:
                if isinstance(change, CreateUser):
                    self._refused[change] = failure, asyncio.get_running_loop().time() + REFUSED_SECONDS
                return {key: failure}
            else:
                return {}

    async def _make(self, change: Change) -> None:
        match change:
            case CreateUser(name, user_type, roles):
                # noted before the call: a user whose answer is lost may have been made, and then it is ours
                self._ours[folded(change.whole)] = Ownership.CREATED
                await self._write(self._instance.insert_user, NewUser(change.whole, user_type, roles))
                log.info("instance %s: created user %s", self._connection, name)
            case GrantRoles(name, _, roles) | LeaveRoles(name, _, roles):
                giving = isinstance(change, GrantRoles)
                await self._write(self._instance.grant_roles if giving else self._instance.leave_roles, name, roles)
                log.info("instance %s: done: %s", self._connection, change)
            case DeleteUser(name, _):
                await self._write(self._instance.delete_user, name)
                self._disown(name)
                log.info("instance %s: deleted user %s", self._connection, name)
            case _:
                assert_never(change)

    def _disown(self, username: str) -> None:
        name = folded(username)
        self._ours = {whole: ownership for whole, ownership in self._ours.items() if kept(whole) != name}

    async def _write(self, function: Callable[..., None], *args: object) -> None:
        await self._threads.call(function, self._connection, *args, timeout=CHANGE_SECONDS)

    def _require_quota(self) -> None:
        left = self._circuit.left(asyncio.get_running_loop().time())
        if left:
            text = f"the quota for changing users of instance {self._connection} is used up"
            raise NotYet(Reason.QUOTA_EXCEEDED, text, left)

    def _heed(self, failure: NotYet) -> None:
        self._circuit.heed(asyncio.get_running_loop().time(), failure)
