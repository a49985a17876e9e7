"""As whom lanes write: as the identity that each object's own CloudSQLInstance names now."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import INSTANCE, Key
from cloudsql_iam_operator.api.parsing.objects import parse
from cloudsql_iam_operator.core.errors import Failure, NotYet
from cloudsql_iam_operator.core.instances import disagreements
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType, Finding, conditions
from cloudsql_iam_operator.services.identities.google import Google
from cloudsql_iam_operator.services.lanes.lanes import Lanes
from cloudsql_iam_operator.services.runtime.registry import Registry
from cloudsql_iam_operator.services.runtime.reports import Report
from cloudsql_iam_operator.services.runtime.threads import Threads
from unit.services.lanes.instance import Instance
from unit.services.lanes.instance import key as user_key
from unit.services.lanes.instance import want as user_want
from unit.services.lanes.project import SIGNED, Project, key, member, want

OLD, NEW = "old@acme-prod.iam.gserviceaccount.com", "new@acme-prod.iam.gserviceaccount.com"


class SharedPolicy:
    """One stored policy that several identities write, each noted with what it wrote."""

    def __init__(self) -> None:
        self.project = Project()
        self.written: list[str] = []

    def of(self, email: str) -> Any:
        shared = self

        class AsOne:
            def get_policy(self, project: str) -> Any:
                return shared.project.get_policy(project)

            def set_policy(self, project: str, policy: Any) -> Any:
                shared.written.append(email)
                return shared.project.set_policy(project, policy)

        return AsOne()


def instance(name: str, connection: str, email: str, **database: Any) -> CloudSQLInstance:
    spec = {"connectionName": connection, "admin": {"impersonateServiceAccount": email, "database": database}}
    metadata = {"name": name, "uid": "u", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    parsed = parse(Key(INSTANCE.name, "", name), {"metadata": metadata, "spec": spec})
    assert isinstance(parsed, CloudSQLInstance)
    return parsed


def google(policies: Any, users: Any = None) -> Google:
    nothing: Any = None
    return Google(nothing, users, policies, nothing)


def run(story: Callable[[Lanes], Awaitable[None]]) -> None:
    async def told() -> None:
        registry, threads = Registry(), Threads(2)
        registry.listed = True

        async def nobody(usernames: Mapping[Key, str]) -> None:
            return None

        try:
            await story(Lanes(registry, threads, nobody))
        finally:
            threads.close()

    asyncio.run(told())


def test_a_changed_identity_writes_the_policy_from_the_next_pass_on() -> None:
    policy = SharedPolicy()
    old, new = google(policy.of(OLD)), google(policy.of(NEW))

    async def story(lanes: Lanes) -> None:
        await lanes.policy(instance("a", "acme-prod:eu:a", OLD), old).bind(key(1), want(1))
        refs = frozenset(binding.ref for binding in want(1).bindings)
        await lanes.policy(instance("a", "acme-prod:eu:a", NEW), new).release(key(1), refs)

    run(story)

    assert policy.written == [OLD, NEW]
    assert member(1) not in policy.project.members


def test_two_identities_of_a_project_write_their_own_parts_and_keep_each_others_members() -> None:
    policy = SharedPolicy()
    one, other = google(policy.of(OLD)), google(policy.of(NEW))
    shared = want(3, condition=SIGNED)

    async def story(lanes: Lanes) -> None:
        mine = lanes.policy(instance("a", "acme-prod:eu:a", OLD), one)
        theirs = lanes.policy(instance("b", "acme-prod:eu:b", NEW), other)
        await asyncio.gather(
            mine.bind(key(1), want(1)),
            theirs.bind(key(2), want(2)),
            mine.bind(key(3), shared),
            theirs.bind(key(4), shared),
        )
        assert sorted(policy.written) == [NEW, OLD]
        await mine.release(key(3), frozenset(binding.ref for binding in shared.bindings))

    run(story)

    assert policy.project.members == {member(1), member(2), member(3), "user:owner@acme.com"}


def test_an_identity_that_may_not_write_fails_only_its_own_objects() -> None:
    policy = SharedPolicy()

    class Denied:
        def get_policy(self, project: str) -> Any:
            raise NotYet(Reason.IAM_PERMISSION_DENIED, "not permitted")

    denied: Any = Denied()

    async def story(lanes: Lanes) -> None:
        mine = lanes.policy(instance("a", "acme-prod:eu:a", OLD), google(policy.of(OLD)))
        theirs = lanes.policy(instance("b", "acme-prod:eu:b", NEW), google(denied))
        bound, failed = await asyncio.gather(
            mine.bind(key(1), want(1)), theirs.bind(key(2), want(2)), return_exceptions=True
        )
        assert isinstance(failed, Failure)
        assert not isinstance(bound, BaseException)

    run(story)

    assert policy.project.members == {member(1), "user:owner@acme.com"}


def test_users_are_made_as_the_identity_that_the_instance_names_now() -> None:
    before, after = Instance(), Instance()

    async def story(lanes: Lanes) -> None:
        lanes.users(instance("a", "acme-prod:eu:a", OLD), google(None, before))
        lane = lanes.users(instance("a", "acme-prod:eu:a", NEW), google(None, after))
        await lane.settle(user_key(1), user_want(1))

    run(story)

    assert before.written == []
    assert len(after.written) == 1


@pytest.mark.parametrize("first", ["a", "b"])
def test_each_of_two_objects_of_one_instance_gets_into_its_databases_by_its_own_way(first: str) -> None:
    async def story(lanes: Lanes) -> None:
        ways: dict[str, Any] = {"a": "as a_owner", "b": "as b_owner"}
        names = sorted(ways, reverse=first == "b")
        made = {
            name: lanes.database(instance(name, "acme-prod:eu:shared", OLD), "orders", ways[name]) for name in names
        }
        assert {name: lane._access() for name, lane in made.items()} == ways

    run(story)


def test_what_two_objects_say_differently_is_told_by_both_and_keeps_neither_from_being_ready() -> None:
    a = instance("a", "acme-prod:eu:shared", OLD, setRole="a_owner")
    b = instance("b", "acme-prod:eu:shared", NEW, setRole="b_owner", ownerRoles=["x"])
    c = instance("c", "acme-prod:eu:c", NEW)
    d = instance("d", "else:eu:d", "who@else.iam.gserviceaccount.com")

    assert disagreements(a, [a, b, c, d]) == [
        "CloudSQLInstance b, of the same instance, has other admin.impersonateServiceAccount, admin.database.setRole, "
        "admin.database.ownerRoles",
        "CloudSQLInstance c, of the same project, has other admin.impersonateServiceAccount",
    ]
    assert disagreements(b, [a, b, c, d])[0].startswith("CloudSQLInstance a, of the same instance")
    assert disagreements(d, [a, b, c, d]) == []
    finding = Finding(ConditionType.SETTINGS_AGREED, Reason.SETTINGS_DIFFER, "b differs")
    assert Report((finding,)).holds
    shown = conditions([finding], generation=1, previous=(), now=a.metadata.created)
    assert [(c.type, c.status, c.reason) for c in shown] == [
        ("Ready", "True", "Succeeded"),
        ("SettingsAgreed", "False", "SettingsDiffer"),
    ]
