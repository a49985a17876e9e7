"""The lanes and adapters on the emulated Google, as the least-privileged operator: what is called, and what stands."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloudsql_emulator.emulator import Emulator
from cloudsql_iam_operator.adapters.google.resource_manager import ResourceManager
from cloudsql_iam_operator.adapters.google.service_accounts import ServiceAccounts, Workload
from cloudsql_iam_operator.adapters.google.sqladmin import NewUser
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.iam.bindings import Scope, bindings_for
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.plan import DatabaseUser, Ownership
from cloudsql_iam_operator.core.users.principals import UserType
from cloudsql_iam_operator.services.lanes.policies.policy import PolicyLane
from cloudsql_iam_operator.services.lanes.policies.wants import PolicyNeighbours, PolicyWant
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting.pace import Pace
from integration.google.ground import (
    CHECKOUT,
    IAM,
    OPERATOR,
    ORDERS,
    POLICY,
    Ground,
    Lanes,
    bindings,
    emulated,
    failed,
    key,
    stored,
    user,
)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulated() as running:
        yield running


@pytest.fixture
def ground(emulator: Emulator) -> Iterator[Ground]:
    told = Ground.of_operator(emulator)
    yield told
    emulator.admin.clear_faults()
    emulator.admin.set_policy("projects/acme-prod", POLICY)
    for made in told.sqladmin.users(ORDERS):
        if made.type is not UserType.BUILT_IN:
            told.sqladmin.delete_user(ORDERS, made.name)


def test_twenty_users_cost_three_calls_and_one_per_user_and_nothing_the_second_time(ground: Ground) -> None:
    names = [f"app-{number}" for number in range(20)]
    since = ground.emulator.admin.position()
    counted: list[list[str]] = []

    async def story(lanes: Lanes) -> None:
        for _ in range(2):
            await asyncio.gather(*(lanes.policy.bind(key(name), bindings(name)) for name in names))
            await asyncio.gather(*(lanes.users.settle(key(name), user(name)) for name in names))
            counted.append(ground.calls(since))

    ground.run(story)

    first, both = counted
    reads = ["cloudresourcemanager.projects.getIamPolicy", "sql.users.list"]
    assert sorted(first) == sorted([*reads, "cloudresourcemanager.projects.setIamPolicy", *["sql.users.insert"] * 20])
    assert sorted(both[len(first) :]) == reads
    assert len(ground.emulator.admin.writes(since=since, caller=OPERATOR)) == 21


def test_a_user_comes_and_goes_and_the_policy_is_as_it_was(ground: Ground) -> None:
    before = stored(ground.emulator)

    async def story(lanes: Lanes) -> None:
        bound = await lanes.policy.bind(key("checkout"), bindings("checkout"))
        made = await lanes.users.settle(key("checkout"), replace(user("checkout"), roles=frozenset({"app_ro"})))
        there = ground.emulator.admin.users("acme-prod", "orders")
        found = next(each for each in there if each["name"] == "checkout@acme-prod.iam")
        assert "app_ro" in found["roles"]
        assert ground.emulator.admin.holds(CHECKOUT, "cloudsql.instances.login", "acme-prod", "orders")
        await lanes.policy.release(key("checkout"), frozenset(b.ref for b in bound.owned))
        await lanes.users.remove(key("checkout"), replace(user("checkout"), ownership=made.standing.ownership))

    ground.run(story)

    assert stored(ground.emulator) == before
    assert list(stored(ground.emulator)["bindings"]) == POLICY["bindings"]
    assert {each["name"] for each in ground.emulator.admin.users("acme-prod", "orders")} == {"postgres"}


def test_an_absent_principal_fails_alone_in_policy_and_users(ground: Ground) -> None:
    async def story(lanes: Lanes) -> None:
        for outcomes in (
            await asyncio.gather(
                lanes.policy.bind(key("nobody"), bindings("nobody")),
                lanes.policy.bind(key("checkout"), bindings("checkout")),
                return_exceptions=True,
            ),
            await asyncio.gather(
                lanes.users.settle(key("nobody"), user("nobody")),
                lanes.users.settle(key("checkout"), user("checkout")),
                return_exceptions=True,
            ),
        ):
            assert isinstance(outcomes[0], Refused)
            assert outcomes[0].reason is Reason.PRINCIPAL_NOT_FOUND
            assert not isinstance(outcomes[1], BaseException)

    ground.run(story)


def test_a_strangers_write_in_between_is_kept(ground: Ground) -> None:
    manager = ground.resource_manager
    read = manager.get_policy("acme-prod")
    ground.emulator.admin.add_binding("projects/acme-prod", "roles/browser", "user:ann@acme.com")

    stale = [read]

    class Overtaken(ResourceManager):
        """Answers the first read with a policy that is no longer the stored one."""

        def get_policy(self, project: str) -> Policy:
            return stale.pop() if stale else super().get_policy(project)

    async def story() -> None:
        threads = Threads(2)
        overtaken = Overtaken(ground.endpoints, ground.caller)
        lane = PolicyLane("acme-prod", overtaken, threads, PolicyNeighbours(dict, lambda: True), Pace(0.01, 0.1))
        await lane.bind(key("checkout"), bindings("checkout"))
        threads.close()

    asyncio.run(story())

    roles = [binding["role"] for binding in stored(ground.emulator)["bindings"]]
    assert roles[4:] == ["roles/browser", "roles/cloudsql.client", "roles/cloudsql.instanceUser"]


def test_a_role_outside_the_operators_limit_is_not_permitted(ground: Ground) -> None:
    iam = replace(IAM, roles=("roles/owner",))
    wanted = PolicyWant(bindings_for(CHECKOUT, iam, Scope(ORDERS)))

    async def story(lanes: Lanes) -> None:
        with pytest.raises(NotYet) as caught:
            await lanes.policy.bind(key("checkout"), wanted)
        assert caught.value.reason is Reason.IAM_PERMISSION_DENIED

    ground.run(story)

    assert stored(ground.emulator)["bindings"] == POLICY["bindings"]


def test_somebody_elses_operation_is_waited_out(ground: Ground) -> None:
    admin = ground.emulator.admin
    admin.occupy("acme-prod", "orders")

    async def story(lanes: Lanes) -> None:
        settling = asyncio.create_task(lanes.users.settle(key("checkout"), user("checkout")))
        since = admin.position()
        async with asyncio.timeout(60):
            while not any(entry.status == 409 for entry in admin.journal(since=since)):
                await asyncio.sleep(0.05)
        admin.release("acme-prod", "orders")
        answer = await settling
        assert answer.standing.ownership is Ownership.CREATED

    ground.run(story)


def test_a_stopped_instance_and_a_flag_that_is_off_are_told(ground: Ground) -> None:
    admin = ground.emulator.admin
    new = NewUser("checkout@acme-prod.iam", UserType.SERVICE_ACCOUNT)
    reasons: list[Reason] = []

    admin.stop_instance("acme-prod", "orders")
    stopped = ground.sqladmin.instance(ORDERS)
    reasons += failed(ground.sqladmin.users, ORDERS)
    admin.start_instance("acme-prod", "orders")
    admin.set_flag("acme-prod", "orders", "cloudsql.iam_authentication", "off")
    admin.drop_iam_system_roles("acme-prod", "orders")
    reasons += failed(ground.sqladmin.insert_user, ORDERS, new)
    admin.set_flag("acme-prod", "orders", "cloudsql.iam_authentication", "on")

    assert stopped.stopped
    assert reasons == [Reason.INSTANCE_STOPPED, Reason.IAM_AUTHENTICATION_DISABLED]


def test_an_instance_that_is_not_there_is_told(ground: Ground) -> None:
    assert failed(ground.sqladmin.instance, replace(ORDERS, instance="missing")) == [Reason.INSTANCE_NOT_FOUND]


def test_an_absent_user_counts_as_deleted_and_a_group_can_be_made(ground: Ground) -> None:
    ground.sqladmin.delete_user(ORDERS, "never@acme-prod.iam")
    ground.sqladmin.insert_user(ORDERS, NewUser("orders-dev@acme.com", UserType.GROUP))
    ground.sqladmin.grant_roles(ORDERS, "orders-dev@acme.com", ["app_ro"])

    assert DatabaseUser("orders-dev@acme.com", UserType.GROUP) in ground.sqladmin.users(ORDERS)
    assert failed(ground.sqladmin.grant_roles, ORDERS, "orders-dev@acme.com", ["no_role"]) == [Reason.ROLE_NOT_FOUND]


def test_a_role_is_taken_by_telling_all_that_stays(ground: Ground) -> None:
    name = "checkout@acme-prod.iam"
    roles = frozenset({"cloudsqlsuperuser", "app_ro"})
    ground.sqladmin.insert_user(ORDERS, NewUser(name, UserType.SERVICE_ACCOUNT, roles))

    ground.sqladmin.leave_roles(ORDERS, name, ["app_ro"])
    kept = next(each["roles"] for each in ground.emulator.admin.users("acme-prod", "orders") if each["name"] == name)
    ground.sqladmin.leave_roles(ORDERS, name, [])
    none = next(each["roles"] for each in ground.emulator.admin.users("acme-prod", "orders") if each["name"] == name)

    assert (set(kept) & roles, set(none) & roles) == ({"app_ro"}, set())


def test_a_workload_is_proven_by_its_accounts_policy(ground: Ground) -> None:
    accounts = ServiceAccounts(ground.endpoints, ground.caller)
    email = CHECKOUT.partition(":")[2]

    assert accounts.admits(email, Workload("acme-prod.svc.id.goog", "orders", "checkout"))
    assert not accounts.admits(email, Workload("acme-prod.svc.id.goog", "billing", "checkout"))
