"""Faults around one user, one by one, through the real reconciler and the emulated Google."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from cloudsql_emulator.emulator import Emulator
from cloudsql_iam_operator.api.names import FORCE_REMOVE
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.runtime.reports import Report
from integration.google.ground import CHECKOUT, OPERATOR, ORDERS, POLICY, Ground, emulated, stored
from integration.google.tenant import Tenant

USERNAME = "checkout@acme-prod.iam"
EMAIL = "checkout@acme-prod.iam.gserviceaccount.com"
WORKLOAD = "serviceAccount:acme-prod.svc.id.goog[orders/checkout]"
ACCOUNT = f"projects/acme-prod/serviceAccounts/{EMAIL}"
VIEWER = "roles/iam.serviceAccountViewer"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulated() as running:
        yield running


@pytest.fixture
def ground(emulator: Emulator) -> Iterator[Ground]:
    told = Ground.of_operator(emulator)
    yield told
    admin = emulator.admin
    admin.clear_faults()
    admin.set_pace()
    admin.start_instance("acme-prod", "orders")
    admin.set_flag("acme-prod", "orders", "cloudsql.iam_authentication", "on")
    admin.set_policy("projects/acme-prod", POLICY)
    told.sqladmin.delete_user(ORDERS, USERNAME)


def tell(ground: Ground, story: Callable[[Tenant], Awaitable[None]]) -> None:
    async def told() -> None:
        tenant = Tenant(ground)
        try:
            await story(tenant)
        finally:
            tenant.close()

    asyncio.run(told())


def why(report: Report) -> Reason:
    return next(finding.reason for finding in report.findings if finding.blocks)


def users(ground: Ground) -> set[str]:
    return {user["name"] for user in ground.emulator.admin.users("acme-prod", "orders")} - {"postgres"}


def bound(ground: Ground) -> list[str]:
    """The members that hold the login role, tombstones too."""
    bindings: list[dict[str, Any]] = stored(ground.emulator)["bindings"]
    return sorted(
        member for one in bindings if one["role"] == "roles/cloudsql.instanceUser" for member in one["members"]
    )


def test_an_operation_that_is_done_with_an_error_is_told_and_tried_again(ground: Ground) -> None:
    async def story(tenant: Tenant) -> None:
        ground.emulator.admin.set_pace(failures=1)
        failed = await tenant.look()
        assert (why(failed), users(ground), bound(ground)) == (Reason.OPERATION_FAILED, set(), [])

        assert (await tenant.look()).holds

    tell(ground, story)

    assert (users(ground), bound(ground)) == ({USERNAME}, [CHECKOUT])


def test_an_operation_that_failed_and_took_effect_all_the_same_leaves_a_user_of_ours(ground: Ground) -> None:
    async def story(tenant: Tenant) -> None:
        ground.emulator.admin.set_pace(failures=1, effect_despite_error=True)
        failed = await tenant.look()
        assert (why(failed), users(ground)) == (Reason.OPERATION_FAILED, {USERNAME})

        assert (await tenant.look()).holds
        assert tenant.status["created"]
        assert (await tenant.remove()).holds

    tell(ground, story)

    assert (users(ground), bound(ground)) == (set(), [])


def test_an_operation_that_does_not_end_gives_no_right_to_log_in_and_is_taken_up_when_it_has(ground: Ground) -> None:
    admin = ground.emulator.admin

    async def story(tenant: Tenant) -> None:
        admin.set_pace(running=1700)
        with pytest.raises(NotYet) as caught:
            await asyncio.to_thread(ground.sqladmin.delete_user, ORDERS, USERNAME)
        admin.advance_clock(1701)
        admin.set_pace()
        assert caught.value.reason is Reason.OPERATION_IN_PROGRESS
        assert "did not end in 10m" in caught.value.message
        assert bound(ground) == []

        assert (await tenant.look()).holds

    tell(ground, story)

    assert users(ground) == {USERNAME}


def test_an_answer_that_was_lost_after_the_user_was_made_leaves_it_ours(ground: Ground) -> None:
    async def story(tenant: Tenant) -> None:
        ground.emulator.admin.add_fault(r"sql\.users\.insert", times=None, drop=True, after=True)
        assert why(await tenant.look()) is Reason.GOOGLE_UNREACHABLE
        ground.emulator.admin.clear_faults()

        assert (await tenant.look()).holds
        assert tenant.status["created"]

    tell(ground, story)

    assert users(ground) == {USERNAME}


@pytest.mark.parametrize("while_making", [True, False])
def test_an_instance_that_stops_midway_is_told_and_what_was_given_stays(ground: Ground, while_making: bool) -> None:
    admin = ground.emulator.admin

    async def story(tenant: Tenant) -> None:
        if while_making:
            stopped = {"status": 400, "reason": "invalid", "message": "Invalid request since instance is not running."}
            admin.add_fault(r"sql\.users\.insert", times=None, **stopped)
        else:
            assert (await tenant.look()).holds
            admin.stop_instance("acme-prod", "orders")
            await tenant.forget_facts()
        before = bound(ground)
        assert why(await tenant.look()) is Reason.INSTANCE_STOPPED
        assert bound(ground) == before

        admin.clear_faults()
        admin.start_instance("acme-prod", "orders")
        await tenant.forget_facts()
        assert (await tenant.look()).holds

    tell(ground, story)

    assert (users(ground), bound(ground)) == ({USERNAME}, [CHECKOUT])


def test_a_flag_that_is_switched_off_is_told_and_what_was_given_stays(ground: Ground) -> None:
    admin = ground.emulator.admin

    async def story(tenant: Tenant) -> None:
        assert (await tenant.look()).holds
        admin.set_flag("acme-prod", "orders", "cloudsql.iam_authentication", "off")
        await tenant.forget_facts()
        assert why(await tenant.look()) is Reason.IAM_AUTHENTICATION_DISABLED
        assert (users(ground), bound(ground)) == ({USERNAME}, [CHECKOUT])

        admin.set_flag("acme-prod", "orders", "cloudsql.iam_authentication", "on")
        await tenant.forget_facts()
        assert (await tenant.look()).holds

    tell(ground, story)


def test_an_account_that_is_deleted_and_made_again_gets_its_binding_anew_beside_its_tombstone(ground: Ground) -> None:
    admin = ground.emulator.admin

    async def story(tenant: Tenant) -> None:
        assert (await tenant.look()).holds
        admin.delete_principal(CHECKOUT)
        (tombstone,) = bound(ground)
        gone = await tenant.look()
        assert not gone.holds
        assert bound(ground) == [tombstone]

        admin.add_principal("serviceAccount", EMAIL)
        admin.add_binding(ACCOUNT, "roles/iam.workloadIdentityUser", WORKLOAD)
        admin.add_binding(ACCOUNT, VIEWER, OPERATOR)
        again = await tenant.look()
        assert again.holds, again.findings
        assert bound(ground) == sorted([tombstone, CHECKOUT])
        assert users(ground) == {USERNAME}

    tell(ground, story)


def test_an_object_that_is_made_again_under_its_name_does_not_take_what_the_first_had_for_its_own(
    ground: Ground,
) -> None:
    async def story(tenant: Tenant) -> None:
        assert (await tenant.look()).holds
        assert (await tenant.remove()).holds
        assert (users(ground), bound(ground)) == (set(), [])

        tenant.made_anew("uid-2")
        assert (await tenant.look()).holds
        assert (users(ground), bound(ground)) == ({USERNAME}, [CHECKOUT])

    tell(ground, story)


def test_a_namespace_that_is_gone_takes_access_user_and_binding_along(ground: Ground) -> None:
    before = stored(ground.emulator)

    async def story(tenant: Tenant) -> None:
        assert (await tenant.look()).holds
        tenant.end_namespace()
        report = await tenant.look()
        assert why(report) is Reason.NAMESPACE_NOT_ALLOWED

    tell(ground, story)

    assert (users(ground), stored(ground.emulator)) == (set(), before)


def test_a_deletion_that_is_stuck_is_ended_by_force_and_nobody_can_log_in(ground: Ground) -> None:
    admin = ground.emulator.admin

    async def story(tenant: Tenant) -> None:
        assert (await tenant.look()).holds
        admin.add_fault(r"sql\.users\.delete", times=None, status=403, reason="notAuthorized", message="no")
        blocked = await tenant.remove()
        assert (blocked.holds, bound(ground)) == (False, [])

        ended = await tenant.remove(**{FORCE_REMOVE: "true"})
        assert ended.holds
        assert [reason for reason, _ in ended.warnings] == ["ForceRemoved"]
        admin.clear_faults()

    tell(ground, story)

    assert (users(ground), bound(ground)) == ({USERNAME}, [])
