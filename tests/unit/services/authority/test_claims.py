"""Who lays claim to a username or to an instance: who is let in or owns something there, and no stranger."""

import asyncio
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest

from cloudsql_iam_operator.adapters.google.sqladmin import NewUser
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import GRANT, INSTANCE, USER, Key
from cloudsql_iam_operator.core.users.claims import UserClaim
from cloudsql_iam_operator.core.users.plan import DatabaseUser, Ownership, UserWant
from cloudsql_iam_operator.core.users.principals import UserType
from cloudsql_iam_operator.services.lanes.lanes import Lanes
from cloudsql_iam_operator.services.reconcilers.instance import InstanceReconciler
from cloudsql_iam_operator.services.runtime.reports import Report
from unit.services.authority.ground import ACCOUNT, GRANT_STATUS, SINCE, USER_KEY, USER_STATUS, USERNAME, Ground, body

SPEC = {"instanceRef": {"name": "orders"}, "principal": {"kubernetesServiceAccount": {"name": "checkout"}}}
ALLOWED = [{"type": "AccessAllowed", "status": "True", "lastTransitionTime": SINCE}]
REFUSED = [{"type": "AccessAllowed", "status": "False", "lastTransitionTime": SINCE}]
NAMED = {**USER_STATUS, "created": False, "iam": {}, "conditions": REFUSED}


def deleted(user: Any = None, grant: Any = None) -> Report:
    """What becomes of an instance that is being deleted, with these statuses of a user and a grant."""
    ground = Ground()
    shown = (user and body(USER.name, "checkout", SPEC, user), grant and body(GRANT.name, "reads", SPEC, grant))
    ground.show(*shown)
    reconciler = InstanceReconciler(ground, ground)  # type: ignore[arg-type] # a few lines
    try:
        return asyncio.run(reconciler.remove(ground.live(Key(INSTANCE.name, "", "orders"))))
    finally:
        ground.threads.close()


@pytest.mark.parametrize(
    ("user", "grant"),
    [(NAMED, None), ({"conditions": REFUSED}, None), (None, {"conditions": REFUSED}), (None, {"conditions": []})],
)
def test_what_a_stranger_declares_holds_no_instance(user: Any, grant: Any) -> None:
    assert deleted(user, grant).holds


@pytest.mark.parametrize(
    ("user", "grant"),
    [
        (USER_STATUS, None),
        ({"conditions": ALLOWED}, None),
        (None, GRANT_STATUS),
        (None, {"instanceName": "orders", "conditions": ALLOWED}),
    ],
)
def test_who_is_let_in_or_owns_something_holds_the_instance(user: Any, grant: Any) -> None:
    assert [str(finding.reason) for finding in deleted(user, grant).findings] == ["InUse"]


def settled(status: dict[str, Any]) -> set[str]:
    """The users that are there once a younger object wanted the name that the status of an older one has."""

    class Instance:
        def __init__(self) -> None:
            self.names: set[str] = set()

        def users(self, connection: object) -> tuple[DatabaseUser, ...]:
            return tuple(DatabaseUser(name, UserType.SERVICE_ACCOUNT) for name in sorted(self.names))

        def insert_user(self, connection: object, user: NewUser) -> None:
            self.names.add(user.name)

    async def story() -> set[str]:
        ground, instance = Ground(), Instance()
        ground.show(body(USER.name, "checkout", SPEC, status))
        spec = ground.live(Key(INSTANCE.name, "", "orders")).spec
        assert isinstance(spec, CloudSQLInstance)

        async def announced(usernames: object) -> None:
            """Nobody records here."""

        google = SimpleNamespace(sqladmin=instance)
        lane = Lanes(ground.registry, ground.threads, announced).users(spec, google)  # type: ignore[arg-type] # likewise
        created = ground.live(USER_KEY).spec.metadata.created.replace(year=2027)  # type: ignore[union-attr] # readable
        claim = UserClaim(USERNAME, created, "uid-younger", "younger", f"serviceAccount:{ACCOUNT}")
        want = UserWant(claim, UserType.SERVICE_ACCOUNT, ownership=Ownership.NONE)
        try:
            await asyncio.gather(lane.settle(Key(USER.name, "other", "younger"), want), return_exceptions=True)
        finally:
            ground.threads.close()
        return instance.names

    return asyncio.run(story())


def test_a_name_in_the_status_of_a_refused_object_leaves_the_rightful_owner_alone() -> None:
    older = {**deepcopy(NAMED), "username": USERNAME}

    assert settled(older) == {USERNAME}
    assert settled({**older, "conditions": ALLOWED}) == set()
    assert settled({**older, "created": True}) == set()
