"""Mode Observe on the emulated Google: everything is looked at, nothing is written, and what differs is told."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from cloudsql_emulator.emulator import Emulator
from cloudsql_iam_operator.adapters.google.sqladmin import NewUser
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.principals import UserType
from cloudsql_iam_operator.services.runtime.reports import Report
from integration.google.ground import CHECKOUT, OPERATOR, ORDERS, POLICY, Ground, emulated, stored
from integration.google.tenant import Tenant

USERNAME = "checkout@acme-prod.iam"
OBSERVE = {"mode": "Observe"}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulated() as running:
        yield running


@pytest.fixture
def ground(emulator: Emulator) -> Iterator[Ground]:
    told = Ground.of_operator(emulator)
    yield told
    emulator.admin.set_policy("projects/acme-prod", POLICY)
    told.sqladmin.delete_user(ORDERS, USERNAME)


class Counts(dict[str, int]):
    """What the metric shows."""

    def drifted(self, kind: str, what: str, differences: int) -> None:
        self[what] = differences


def tell(ground: Ground, story: Callable[[Tenant, Counts], Awaitable[None]]) -> None:
    async def told() -> None:
        counts = Counts()
        tenant = Tenant(ground, counts)
        try:
            await story(tenant, counts)
        finally:
            tenant.close()

    asyncio.run(told())


def ready(tenant: Tenant) -> tuple[str, str]:
    """Status of Ready, and its reason."""
    (found,) = [one for one in tenant.status["conditions"] if one["type"] == "Ready"]
    return found["status"], found["reason"]


def drifted(report: Report) -> Reason:
    (found,) = [finding.reason for finding in report.findings if finding.type.value == "Drifted"]
    return found


def test_a_user_that_was_never_made_is_observed_and_all_that_is_missing_told(ground: Ground) -> None:
    since = ground.emulator.admin.position()

    async def story(tenant: Tenant, counts: Counts) -> None:
        tenant.spec = OBSERVE
        report = await tenant.look()

        assert ready(tenant) == ("True", "Observing")
        assert drifted(report) is Reason.DRIFT_FOUND
        assert tenant.status["drift"] == [
            f"database user {USERNAME} does not exist: it would be created as CLOUD_IAM_SERVICE_ACCOUNT",
            *(
                f"not bound: {role} for {CHECKOUT} under 'cloudsql-iam-operator/orders'"
                for role in ("roles/cloudsql.client", "roles/cloudsql.instanceUser")
            ),
        ]
        assert counts == {"Binding": 2, "User": 1, "Role": 0}
        assert not tenant.status["created"]

    tell(ground, story)

    assert ground.emulator.admin.writes(since=since, caller=OPERATOR) == []


def test_what_somebody_takes_from_an_observed_user_is_told_and_left_and_then_mended_by_reconcile(
    ground: Ground,
) -> None:
    admin = ground.emulator.admin

    async def story(tenant: Tenant, counts: Counts) -> None:
        await tenant.look()
        tenant.spec = OBSERVE
        quiet = await tenant.look()
        assert drifted(quiet) is Reason.SUCCEEDED
        assert "drift" not in tenant.status
        assert tenant.status["created"]

        admin.set_policy("projects/acme-prod", POLICY)
        ground.sqladmin.delete_user(ORDERS, USERNAME)
        since, before = admin.position(), stored(ground.emulator)
        report = await tenant.look()
        assert drifted(report) is Reason.DRIFT_FOUND
        assert len(tenant.status["drift"]) == sum(counts.values()) == 3
        assert (admin.writes(since=since, caller=OPERATOR), stored(ground.emulator)) == ([], before)

        tenant.spec = {}
        mended = await tenant.look()
        assert mended.holds
        assert "drift" not in tenant.status
        assert counts == {"Binding": 0, "User": 0, "Role": 0}

    tell(ground, story)


def test_a_user_of_somebody_else_is_told_and_not_touched(ground: Ground) -> None:
    ground.sqladmin.insert_user(ORDERS, NewUser(USERNAME, UserType.SERVICE_ACCOUNT))
    since = ground.emulator.admin.position()

    async def story(tenant: Tenant, counts: Counts) -> None:
        tenant.spec = OBSERVE
        await tenant.look()
        assert "exists and was not made for this object" in tenant.status["drift"][0]

    tell(ground, story)

    assert ground.emulator.admin.writes(since=since, caller=OPERATOR) == []


def test_deleting_an_observed_user_takes_back_what_was_made_and_nothing_else(ground: Ground) -> None:
    before = stored(ground.emulator)

    async def story(tenant: Tenant, counts: Counts) -> None:
        await tenant.look()
        tenant.spec = OBSERVE
        await tenant.look()
        report = await tenant.remove()
        assert report.holds, report.findings

    tell(ground, story)

    assert stored(ground.emulator) == before
    assert [user["name"] for user in ground.emulator.admin.users("acme-prod", "orders")] == ["postgres"]


def test_deleting_a_user_that_was_only_observed_writes_nothing(ground: Ground) -> None:
    since = ground.emulator.admin.position()

    async def story(tenant: Tenant, counts: Counts) -> None:
        tenant.spec = OBSERVE
        await tenant.look()
        assert (await tenant.remove()).holds
        assert counts == {"Binding": 0, "User": 0, "Role": 0}

    tell(ground, story)

    assert ground.emulator.admin.writes(since=since, caller=OPERATOR) == []
