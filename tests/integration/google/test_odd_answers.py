"""Access is taken away on proof alone: whatever a read is answered, what a Ready object was given stays."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from cloudsql_emulator.emulator import Emulator
from cloudsql_emulator.faults.answers import ANSWERS
from cloudsql_iam_operator.adapters.google.credentials import impersonated
from cloudsql_iam_operator.core.reasons import Reason, Standing
from cloudsql_iam_operator.services.runtime.reports import Report
from integration.google.ground import OPERATOR, ORDERS, POLICY, RUNNER, Ground, emulated, stored
from integration.google.tenant import Tenant

READS = {
    "instances.get": r"sql\.instances\.get",
    "users.list": r"sql\.users\.list",
    "projects.getIamPolicy": r"cloudresourcemanager\.projects\.getIamPolicy",
    "projects.serviceAccounts.getIamPolicy": r"iam\.projects\.serviceAccounts\.getIamPolicy",
    "generateAccessToken": r"iamcredentials\.projects\.serviceAccounts\.generateAccessToken",
}
NOT_UNDERSTOOD = {
    "400 bare JSON",
    "400 empty JSON",
    "400 unknown words",
    "400 HTML",
    "404 HTML",
    "404 JSON of another kind",
    "422",
    "200 HTML",
    "200 empty object",
    "200 list",
}
NO_SUCH_INSTANCE = {
    "status": 404,
    "body": {
        "error": {
            "code": 404,
            "message": "The Cloud SQL instance does not exist.",
            "errors": [{"domain": "global", "reason": "instanceDoesNotExist", "message": "It does not exist."}],
        }
    },
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulated() as running:
        yield running


@pytest.fixture
def ground(emulator: Emulator) -> Iterator[Ground]:
    told = Ground.of_operator(emulator)
    yield told
    emulator.admin.clear_faults()
    emulator.admin.set_pace()
    emulator.admin.set_policy("projects/acme-prod", POLICY)
    for made in told.sqladmin.users(ORDERS):
        if made.name != "postgres":
            told.sqladmin.delete_user(ORDERS, made.name)


def tell(ground: Ground, story: Callable[[Tenant], Awaitable[None]]) -> None:
    async def told() -> None:
        tenant = Tenant(ground)
        try:
            first = await tenant.look()
            assert first.holds, first.findings
            await story(tenant)
        finally:
            tenant.close()

    asyncio.run(told())


def given(emulator: Emulator) -> tuple[object, ...]:
    """What stands outside for the tenant: the policy less its etag, and the database users."""
    return stored(emulator), emulator.admin.users("acme-prod", "orders")


def blocking(report: Report) -> tuple[Reason, str]:
    found = next(finding for finding in report.findings if not finding.holds)
    return found.reason, found.message


def asks_to_wait(answer: tuple[str, object]) -> bool:
    """Whether the lanes ask no more for a while after it, or after some of its kind."""
    return answer[0].startswith(("429", "5", "reset", "200 half"))


def absent(read: str) -> set[str]:
    """Answers that say, of a service account, that there is none."""
    return {"404 unknown words"} if read == "projects.serviceAccounts.getIamPolicy" else set()


@pytest.mark.parametrize("read", [name for name in READS if name != "generateAccessToken"])
def test_nothing_that_stands_is_taken_away_for_any_answer_to_a_read(ground: Ground, read: str) -> None:
    admin = ground.emulator.admin
    reasons: dict[str, Reason] = {}

    async def story(tenant: Tenant) -> None:
        before, since = given(ground.emulator), admin.position()
        for name, answer in sorted(ANSWERS.items(), key=asks_to_wait):
            admin.add_fault(READS[read], times=None, **answer)
            await tenant.forget_facts()
            report = await tenant.look()
            reasons[name], message = blocking(report)
            assert given(ground.emulator) == before, name
            assert reasons[name] is not Reason.UNEXPECTED_ANSWER or read in message, (name, message)
            admin.clear_faults()
        assert admin.writes(since=since, caller=OPERATOR) == []

    tell(ground, story)

    assert {name for name, reason in reasons.items() if reason.standing is not Standing.WAITS} == absent(read)
    assert reasons["401"] is Reason.CREDENTIALS_FAILED
    assert reasons["403 VPC Service Controls"] is Reason.VPC_SERVICE_CONTROLS
    assert reasons["403 API disabled"] is Reason.API_DISABLED
    assert reasons["403 billing disabled"] is Reason.BILLING_DISABLED
    assert reasons["403 quota project"] is Reason.QUOTA_PROJECT_DENIED
    unknown = {name for name, reason in reasons.items() if reason is Reason.UNEXPECTED_ANSWER}
    assert unknown >= NOT_UNDERSTOOD


def test_nothing_that_stands_is_taken_away_when_no_token_is_given(ground: Ground) -> None:
    admin = ground.emulator.admin
    runner = Ground.of(ground.emulator, RUNNER).caller.identity

    async def story(tenant: Tenant) -> None:
        before, since = given(ground.emulator), admin.position()
        for name, answer in ANSWERS.items():
            admin.add_fault(READS["generateAccessToken"], times=None, **answer)
            tenant.identities.identity = impersonated(runner, OPERATOR.partition(":")[2], ground.endpoints)
            report = await tenant.look()
            assert blocking(report)[0].standing is Standing.WAITS, (name, blocking(report))
            assert given(ground.emulator) == before, name
            admin.clear_faults()
        assert admin.writes(since=since) == []

    tell(ground, story)


def test_the_same_trouble_has_the_same_words_so_that_a_status_does_not_flap(ground: Ground) -> None:
    admin = ground.emulator.admin

    async def story(tenant: Tenant) -> None:
        for name in ("403 VPC Service Controls", "404 HTML", "400 unknown words", "200 half a body"):
            admin.add_fault(READS["users.list"], times=None, **ANSWERS[name])
            assert (await tenant.look()).findings == (await tenant.look()).findings
            admin.clear_faults()

    tell(ground, story)


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_only_the_admin_apis_own_404_makes_an_instance_gone(ground: Ground, name: str) -> None:
    admin = ground.emulator.admin

    async def story(tenant: Tenant) -> None:
        for answer, gone in ((ANSWERS[name], False), (NO_SUCH_INSTANCE, True)):
            admin.add_fault(READS["instances.get"], times=None, **answer)
            await tenant.forget_facts()
            assert await tenant.systems.gone(tenant.instance) is gone
            admin.clear_faults()

    tell(ground, story)


def test_an_odd_answer_while_an_operation_is_followed_takes_nothing_away(ground: Ground) -> None:
    admin = ground.emulator.admin
    answers: dict[str, Any] = {name: ANSWERS[name] for name in ("400 HTML", "404 HTML", "200 empty object", "422")}

    async def story(tenant: Tenant) -> None:
        bound = stored(ground.emulator)
        for name, answer in answers.items():
            ground.sqladmin.delete_user(ORDERS, "checkout@acme-prod.iam")
            admin.set_pace(running=60)
            admin.add_fault(r"sql\.operations\.get", times=None, **answer)
            report = await tenant.look()
            assert blocking(report)[0] is Reason.UNEXPECTED_ANSWER, (name, blocking(report))
            assert stored(ground.emulator) == bound
            admin.clear_faults()
            admin.set_pace()
            admin.advance_clock(60)
            first = await tenant.look()
            assert first.holds, first.findings

    tell(ground, story)
