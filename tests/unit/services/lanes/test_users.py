"""The users lane: one list for many objects, one change after another, each answered on its own."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from cloudsql_iam_operator.adapters.google.sqladmin import NewUser
from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.plan import (
    CreateUser,
    DatabaseUser,
    GrantRoles,
    LeaveRoles,
    Ownership,
    UserStanding,
)
from cloudsql_iam_operator.core.users.principals import UserType
from cloudsql_iam_operator.services.lanes.user_wants import UserAnswer, UserNeighbours
from cloudsql_iam_operator.services.lanes.users import UsersLane
from unit.services.lanes.instance import Instance, key, run, want


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


def test_who_records_the_user_that_was_made_is_served_by_a_later_pass_for_another() -> None:
    instance = Instance()
    recorded = replace(want(1), ownership=Ownership.CREATED)

    async def story(lane: UsersLane) -> None:
        await lane.settle(key(1), want(1))
        await lane.settle(key(2), want(2))
        again = await lane.settle(key(1), recorded, max_age=60.0)
        assert again == UserAnswer(UserStanding(True, Ownership.CREATED, frozenset()), None)

    run(story, instance)

    assert instance.lists == 2


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

    assert told == [({key(1): "u1@p.iam"}, 0), ({key(2): "u2@p.iam"}, 0)]


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


def test_a_stopped_instance_is_told_to_every_caller() -> None:
    class Stopped(Instance):
        def users(self, connection: ConnectionName) -> tuple[DatabaseUser, ...]:
            raise NotYet(Reason.INSTANCE_STOPPED, "stopped")

    async def story(lane: UsersLane) -> None:
        answers = await asyncio.gather(*(lane.settle(key(n), want(n)) for n in range(2)), return_exceptions=True)
        assert [getattr(answer, "reason", None) for answer in answers] == [Reason.INSTANCE_STOPPED] * 2

    run(story, Stopped())


def test_a_change_of_roles_waits_for_its_turn_and_for_operations_of_others() -> None:
    instance = Instance(failures={"u1@p.iam": [NotYet(Reason.OPERATION_IN_PROGRESS, "busy")]})

    async def story(lane: UsersLane) -> None:
        given = GrantRoles("u1@p.iam", UserType.SERVICE_ACCOUNT, frozenset({"cloudsqlsuperuser"}))
        left = LeaveRoles("u1@p.iam", UserType.SERVICE_ACCOUNT, frozenset())
        await lane.make(key(1), given)
        await lane.make(key(1), left)

    run(story, instance)

    assert instance.written == [
        "grant cloudsqlsuperuser u1@p.iam",
        "grant cloudsqlsuperuser u1@p.iam",
        "leave  u1@p.iam",
    ]
