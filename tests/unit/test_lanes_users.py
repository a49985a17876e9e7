"""The users lane: one list for many objects, one change after another, each answered on its own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from cloudsql_iam_operator.adapters.sqladmin import NewUser
from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.claims import UserClaim
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.principals import UserType
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users import (
    CreateUser,
    DatabaseUser,
    DeleteUser,
    Ownership,
    UserStanding,
    UserWant,
)
from cloudsql_iam_operator.services.lanes.lane import Pace
from cloudsql_iam_operator.services.lanes.retry import Retry
from cloudsql_iam_operator.services.lanes.users import UserAnswer, UserNeighbours, UsersLane
from cloudsql_iam_operator.services.threads import Threads

ORDERS = ConnectionName("acme-prod", "europe-west1", "orders")
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Instance:
    """Users that remember what was asked, and fail as told."""

    present: dict[str, UserType] = field(default_factory=lambda: {"postgres": UserType.BUILT_IN})
    lists: int = 0
    written: list[str] = field(default_factory=list)
    failures: dict[str, list[Exception]] = field(default_factory=dict)
    at_once: int = 0

    def users(self, connection: ConnectionName) -> tuple[DatabaseUser, ...]:
        self.lists += 1
        return tuple(DatabaseUser(name, kind) for name, kind in self.present.items())

    def insert_user(self, connection: ConnectionName, user: NewUser) -> None:
        self._write("insert", user.name)
        self.present[user.name] = user.type

    def grant_roles(self, connection: ConnectionName, name: str, roles: frozenset[str]) -> None:
        self._write(f"grant {','.join(sorted(roles))}", name)

    def delete_user(self, connection: ConnectionName, name: str) -> None:
        self._write("delete", name)
        self.present.pop(name, None)

    def _write(self, what: str, name: str) -> None:
        self.at_once += 1
        assert self.at_once == 1, "one change at a time"
        self.at_once -= 1
        self.written.append(f"{what} {name}")
        if self.failures.get(name):
            raise self.failures[name].pop(0)


def key(number: int) -> Key:
    return Key("CloudSQLIAMUser", "orders", f"user-{number}")


def want(number: int) -> UserWant:
    return UserWant(UserClaim(f"u{number}@p.iam", CREATED, f"uid-{number}", str(key(number))), UserType.SERVICE_ACCOUNT)


NOBODY = UserNeighbours(dict)


def run(story: Callable[[UsersLane], Awaitable[None]], instance: Instance, neighbours: UserNeighbours = NOBODY) -> None:
    async def told() -> None:
        threads = Threads(2)
        pace, busy = Pace(quiet=0.01, longest=0.1), Retry(first=0.001, longest=0.002, total=0.01)
        try:
            await story(UsersLane(ORDERS, instance, threads, neighbours, pace=pace, busy=busy))
        finally:
            threads.close()

    asyncio.run(told())


def test_a_hundred_objects_cost_one_list_and_a_change_each() -> None:
    instance = Instance()

    async def story(lane: UsersLane) -> None:
        answers = await asyncio.gather(*(lane.settle(key(n), want(n)) for n in range(100)))
        assert answers[7] == UserAnswer(
            UserStanding(True, Ownership.CREATED, frozenset()),
            CreateUser("u7@p.iam", UserType.SERVICE_ACCOUNT, frozenset()),
        )

    run(story, instance)

    assert instance.lists == 1
    assert sorted(instance.written) == sorted(f"insert u{n}@p.iam" for n in range(100))


def test_a_second_pass_changes_nothing_even_before_a_status_says_so() -> None:
    instance = Instance()
    with_roles = replace(want(1), roles=frozenset({"app_ro"}))

    async def story(lane: UsersLane) -> None:
        first = await lane.settle(key(1), with_roles)
        again = await lane.settle(key(1), with_roles)
        served = await lane.settle(key(1), with_roles, max_age=60.0)
        assert first.standing == again.standing == served.standing
        assert again.change is None

    run(story, instance)

    assert instance.lists == 2
    assert instance.written == ["insert u1@p.iam"]


def test_one_user_that_google_refuses_fails_alone_and_is_not_tried_for_others() -> None:
    refusal = Refused(Reason.PRINCIPAL_NOT_FOUND, "no such account")
    instance = Instance(failures={"u1@p.iam": [refusal, refusal]})

    async def story(lane: UsersLane) -> None:
        answers = await asyncio.gather(*(lane.settle(key(n), want(n)) for n in range(3)), return_exceptions=True)
        assert answers[1] is refusal
        assert [isinstance(answer, UserAnswer) for answer in answers] == [True, False, True]
        await lane.settle(key(5), want(5))

    run(story, instance)

    assert instance.written == ["insert u0@p.iam", "insert u1@p.iam", "insert u2@p.iam", "insert u5@p.iam"]


def test_a_refused_user_is_tried_again_when_a_person_asks_for_it() -> None:
    instance = Instance(failures={"u1@p.iam": [Refused(Reason.PRINCIPAL_NOT_FOUND, "no such account")]})

    async def story(lane: UsersLane) -> None:
        with pytest.raises(Refused):
            await lane.settle(key(1), want(1), max_age=60.0)
        with pytest.raises(Refused):
            await lane.settle(key(1), want(1), max_age=60.0)
        assert instance.written == ["insert u1@p.iam"]

        answer = await lane.settle(key(1), want(1), max_age=0.0)
        assert answer.standing.present

    run(story, instance)

    assert instance.written == ["insert u1@p.iam", "insert u1@p.iam"]


def test_an_operation_of_somebody_else_is_waited_out() -> None:
    busy = NotYet(Reason.OPERATION_IN_PROGRESS, "busy")
    instance = Instance(failures={"u1@p.iam": [busy, busy]})

    async def story(lane: UsersLane) -> None:
        answer = await lane.settle(key(1), want(1))
        assert answer.standing.present

    run(story, instance)

    assert instance.written == ["insert u1@p.iam"] * 3


def test_an_operation_that_never_ends_is_given_back_to_the_caller() -> None:
    instance = Instance(failures={"u1@p.iam": [NotYet(Reason.OPERATION_IN_PROGRESS, "busy")] * 50})

    async def story(lane: UsersLane) -> None:
        with pytest.raises(NotYet) as caught:
            await lane.settle(key(1), want(1))
        assert caught.value.reason is Reason.OPERATION_IN_PROGRESS

    run(story, instance)

    assert 1 < len(instance.written) < 50


def test_a_user_whose_making_was_not_answered_is_still_ours() -> None:
    class Mute(Instance):
        def insert_user(self, connection: ConnectionName, user: NewUser) -> None:
            self.present[user.name] = user.type
            raise NotYet(Reason.GOOGLE_UNREACHABLE, "no answer")

    async def story(lane: UsersLane) -> None:
        with pytest.raises(NotYet):
            await lane.settle(key(1), want(1))
        answer = await lane.settle(key(1), want(1))
        assert answer == UserAnswer(UserStanding(True, Ownership.CREATED, frozenset()), None)

    run(story, Mute())


def test_users_are_announced_before_the_first_is_made() -> None:
    instance = Instance()
    told: list[tuple[Mapping[Key, str], int]] = []

    async def announce(names: Mapping[Key, str]) -> None:
        told.append((names, len(instance.written)))

    async def story(lane: UsersLane) -> None:
        await asyncio.gather(lane.settle(key(1), want(1)), lane.settle(key(2), want(2)))

    run(story, instance, UserNeighbours(dict, announce))

    assert told == [({key(1): "u1@p.iam", key(2): "u2@p.iam"}, 0)]


def test_a_user_that_is_recorded_as_ours_is_made_again_without_announcement() -> None:
    instance = Instance()
    told: list[Mapping[Key, str]] = []

    async def announce(names: Mapping[Key, str]) -> None:
        told.append(names)

    async def story(lane: UsersLane) -> None:
        await lane.settle(key(1), replace(want(1), ownership=Ownership.CREATED))

    run(story, instance, UserNeighbours(dict, announce))

    assert (told, instance.written) == ([], ["insert u1@p.iam"])


def test_a_user_that_could_not_be_announced_is_not_made() -> None:
    instance = Instance()

    async def announce(names: Mapping[Key, str]) -> None:
        raise NotYet(Reason.PROGRESSING_WITH_RETRY, "no API server")

    async def story(lane: UsersLane) -> None:
        with pytest.raises(NotYet):
            await lane.settle(key(1), want(1))

    run(story, instance, UserNeighbours(dict, announce))

    assert instance.written == []


def test_a_removed_user_is_deleted_once_and_not_made_again() -> None:
    instance = Instance()

    async def story(lane: UsersLane) -> None:
        made = await lane.settle(key(1), want(1))
        removed = await lane.remove(key(1), replace(want(1), ownership=made.standing.ownership))
        await lane.settle(key(2), want(2))
        assert removed.change == DeleteUser("u1@p.iam", UserType.SERVICE_ACCOUNT)

    run(story, instance)

    assert instance.written == ["insert u1@p.iam", "delete u1@p.iam", "insert u2@p.iam"]


def test_a_user_that_a_silent_object_claims_is_not_deleted() -> None:
    instance = Instance({"u1@p.iam": UserType.SERVICE_ACCOUNT})
    claim = UserClaim("u1@p.iam", CREATED, "uid-9", "billing/other")

    async def story(lane: UsersLane) -> None:
        answer = await lane.remove(key(1), replace(want(1), ownership=Ownership.CREATED))
        assert answer.standing.present

    run(story, instance, UserNeighbours(lambda: {key(9): claim}))

    assert instance.written == []


def test_an_abandoned_user_is_nobodys() -> None:
    instance = Instance()

    async def story(lane: UsersLane) -> None:
        await lane.settle(key(1), want(1))
        lane.abandon(key(1), "u1@p.iam")
        with pytest.raises(Refused) as caught:
            await lane.settle(key(2), replace(want(1), claim=UserClaim("u1@p.iam", CREATED, "uid-2", "b/c")))
        assert caught.value.reason is Reason.EXTERNAL_RESOURCE_EXISTS

    run(story, instance)


def test_a_user_abandoned_while_a_pass_goes_on_is_nobodys() -> None:
    asked, go_on = threading.Event(), threading.Event()

    class Slow(Instance):
        def users(self, connection: ConnectionName) -> tuple[DatabaseUser, ...]:
            listed = super().users(connection)
            if self.lists == 2:
                asked.set()
                assert go_on.wait(60)
            return listed

    async def story(lane: UsersLane) -> None:
        await lane.settle(key(1), want(1))
        under_way = asyncio.create_task(lane.settle(key(1), replace(want(1), ownership=Ownership.CREATED)))
        assert await asyncio.to_thread(asked.wait, 60)
        lane.abandon(key(1), "u1@p.iam")
        go_on.set()
        await under_way
        with pytest.raises(Refused) as caught:
            await lane.settle(key(2), replace(want(1), claim=UserClaim("u1@p.iam", CREATED, "uid-2", "b/c")))
        assert caught.value.reason is Reason.EXTERNAL_RESOURCE_EXISTS

    run(story, Slow())


def test_a_stopped_instance_is_told_to_every_caller() -> None:
    class Stopped(Instance):
        def users(self, connection: ConnectionName) -> tuple[DatabaseUser, ...]:
            raise NotYet(Reason.INSTANCE_STOPPED, "stopped")

    async def story(lane: UsersLane) -> None:
        answers = await asyncio.gather(*(lane.settle(key(n), want(n)) for n in range(2)), return_exceptions=True)
        assert [getattr(answer, "reason", None) for answer in answers] == [Reason.INSTANCE_STOPPED] * 2

    run(story, Stopped())
