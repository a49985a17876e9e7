"""The end of a user in the users lane: deleted once, or left to others."""

import asyncio
import threading
from dataclasses import replace

import pytest

from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.claims import UserClaim
from cloudsql_iam_operator.core.users.plan import DatabaseUser, DeleteUser, Ownership
from cloudsql_iam_operator.core.users.principals import UserType
from cloudsql_iam_operator.services.lanes.user_wants import UserNeighbours
from cloudsql_iam_operator.services.lanes.users import UsersLane
from unit.services.lanes.instance import CREATED, Instance, key, run, want


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
