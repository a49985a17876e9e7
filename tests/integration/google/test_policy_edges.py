"""The policy lane on the emulated Google at its limits and in its storms: what is written, and what never is."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cloudsql_emulator.emulator import Emulator
from cloudsql_iam_operator.adapters.google.resource_manager import ResourceManager
from cloudsql_iam_operator.api.instance import ConditionMode
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef, Scope, bindings_for
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.policies.wants import BindingsAnswer, PolicyWant
from integration.google.ground import (
    CHECKOUT,
    IAM,
    OPERATOR,
    ORDERS,
    POLICY,
    Ground,
    Lanes,
    emulated,
    key,
    stored,
)

PROJECT = "projects/acme-prod"
LOGIN = "roles/cloudsql.instanceUser"
SET_POLICY = r"cloudresourcemanager\.projects\.setIamPolicy"
ANY_POLICY = r"cloudresourcemanager\.projects\.(get|set)IamPolicy"
ONE = replace(IAM, roles=(LOGIN,), condition=ConditionMode.NONE)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulated() as running:
        yield running


@pytest.fixture
def ground(emulator: Emulator) -> Iterator[Ground]:
    yield Ground.of_operator(emulator)
    emulator.admin.clear_faults()
    emulator.admin.set_policy(PROJECT, POLICY)


def bare(name: str) -> PolicyWant:
    return PolicyWant(bindings_for(f"serviceAccount:{name}@acme-prod.iam.gserviceaccount.com", ONE, Scope(ORDERS)))


def filled(ground: Ground, *more: dict[str, Any]) -> None:
    ground.emulator.admin.set_policy(PROJECT, {**POLICY, "bindings": [*POLICY["bindings"], *more]})


def crowd(kind: str, many: int) -> dict[str, Any]:
    """A binding of members that nobody checks, for they are deleted, or domains."""
    text = {"deleted": "deleted:user:u{n}@acme.com?uid={n}", "domain": "domain:d{n}.example"}[kind]
    return {"role": "roles/browser", "members": [text.format(n=n) for n in range(many)]}


def principals(policy: dict[str, Any]) -> int:
    return sum(len(binding["members"]) for binding in policy["bindings"])


async def patient(lanes: Lanes, name: str, want: PolicyWant) -> BindingsAnswer:
    async with asyncio.timeout(120):
        while True:
            try:
                return await lanes.policy.bind(key(name), want)
            except NotYet as failure:
                await asyncio.sleep(failure.retry_after or 0.1)


@pytest.mark.parametrize(("before", "fits"), [(1499, True), (1500, False)])
def test_the_last_place_of_a_policy_is_taken_and_the_one_after_is_told_as_full(
    ground: Ground, before: int, *, fits: bool
) -> None:
    filled(ground, crowd("deleted", before - principals(POLICY)))
    since = ground.emulator.admin.position()

    async def story(lanes: Lanes) -> None:
        if fits:
            assert (await lanes.policy.bind(key("checkout"), bare("checkout"))).owned
            return
        with pytest.raises(Refused) as caught:
            await lanes.policy.bind(key("checkout"), bare("checkout"))
        assert caught.value.reason is Reason.IAM_POLICY_FULL
        assert "1500 principals" in caught.value.message

    ground.run(story)

    assert principals(stored(ground.emulator)) == 1500
    assert len(ground.emulator.admin.writes(since=since, caller=OPERATOR)) == (1 if fits else 0)


def test_the_group_after_the_last_and_the_condition_after_the_last_are_told_before_a_write(ground: Ground) -> None:
    conditions = [
        {
            "role": LOGIN,
            "members": [CHECKOUT],
            "condition": {"title": f"t{n}", "expression": f"request.time.getHours() < {n}"},
        }
        for n in range(1, 21)
    ]
    filled(ground, crowd("domain", 250), *conditions)
    since = ground.emulator.admin.position()
    group = PolicyWant(bindings_for("group:orders-dev@acme.com", ONE, Scope(ORDERS)))

    async def story(lanes: Lanes) -> None:
        refused = await asyncio.gather(
            lanes.policy.bind(key("group"), group),
            lanes.policy.bind(key("checkout"), bare("checkout")),
            return_exceptions=True,
        )
        assert [one.reason for one in refused if isinstance(one, Refused)] == [Reason.IAM_POLICY_FULL] * 2
        assert "250 groups" in str(refused[0])
        assert "20 bindings" in str(refused[1])
        assert isinstance(await lanes.policy.bind(key("app-1"), bare("app-1")), BindingsAnswer)

    ground.run(story)

    assert len(ground.emulator.admin.writes(since=since, caller=OPERATOR)) == 1


def test_another_writer_between_read_and_write_loses_nothing_in_a_hundred_rounds(ground: Ground) -> None:
    rounds: list[str] = []

    class Raced(ResourceManager):
        """Somebody writes after every other read, so that each of our writes comes too late once."""

        late = False

        def get_policy(self, project: str) -> Policy:
            policy = super().get_policy(project)
            self.late = not self.late
            if self.late:
                role = ("roles/browser", "roles/logging.logWriter")[len(rounds) % 2]
                ground.emulator.admin.add_binding(PROJECT, role, f"domain:d{len(rounds)}.example")
                rounds.append(role)
            return policy

    async def story(lanes: Lanes) -> None:
        raced = Raced(ground.endpoints, ground.caller)
        for number in range(100):
            name = f"app-{number % 20}"
            want = replace(bare(name), policies=raced)
            if (number // 20) % 2:
                await lanes.policy.release(key(name), frozenset(b.ref for b in want.bindings), raced)
            else:
                assert (await lanes.policy.bind(key(name), want)).owned == want.bindings

    ground.run(story)

    policy = stored(ground.emulator)
    there = {(binding["role"], member) for binding in policy["bindings"] for member in binding["members"]}
    assert len(rounds) == 100
    assert {(role, f"domain:d{n}.example") for n, role in enumerate(rounds)} <= there
    assert sum(role == LOGIN for role, _ in there) == 20
    assert policy["bindings"][: len(POLICY["bindings"])] == POLICY["bindings"]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 409, "reason": "aborted", "message": "There were concurrent policy changes."},
        {"status": 412, "reason": "conditionNotMet", "message": "Precondition failed."},
        {"status": 429, "reason": "rateLimitExceeded", "message": "Quota exceeded.", "headers": {"Retry-After": "1"}},
        {"status": 503, "reason": "backendError", "headers": {"Retry-After": "1"}},
        {"status": 503, "reason": "backendError"},
    ],
    ids=["409", "412", "429", "503 later", "503"],
)
def test_a_storm_ends_in_what_was_asked_and_costs_a_call_at_a_time(ground: Ground, fault: dict[str, Any]) -> None:
    match = SET_POLICY if fault["status"] in {409, 412} else ANY_POLICY
    ground.emulator.admin.add_fault(match, times=4, **fault)
    since = ground.emulator.admin.position()

    async def story(lanes: Lanes) -> None:
        answers = await asyncio.gather(*(patient(lanes, f"app-{n}", bare(f"app-{n}")) for n in range(20)))
        assert all(answer.owned for answer in answers)

    ground.run(story)

    assert len(ground.calls(since)) <= 14
    assert principals(stored(ground.emulator)) == principals(POLICY) + 20


@pytest.mark.parametrize("applied", [True, False])
def test_after_a_reset_connection_the_binding_is_there_once_and_ours(ground: Ground, *, applied: bool) -> None:
    ground.emulator.admin.add_fault(SET_POLICY, times=1, drop=True, after=applied)
    since = ground.emulator.admin.position()

    async def story(lanes: Lanes) -> None:
        answer = await patient(lanes, "checkout", bare("checkout"))
        assert answer.owned == bare("checkout").bindings

    ground.run(story)

    sent = ground.calls(since).count("cloudresourcemanager.projects.setIamPolicy")
    assert sent == (1 if applied else 2)
    assert stored(ground.emulator)["bindings"][4:] == [{"role": LOGIN, "members": [CHECKOUT]}]


def test_who_binds_the_same_in_the_moment_of_our_write_goes_on_owning_it(ground: Ground) -> None:
    admin = ground.emulator.admin

    class Raced(ResourceManager):
        """Somebody binds the same right after each read that does not show it."""

        def get_policy(self, project: str) -> Policy:
            policy = super().get_policy(project)
            if not policy.holds(Binding(LOGIN, CHECKOUT)):
                admin.add_binding(PROJECT, LOGIN, CHECKOUT)
            return policy

    async def story(lanes: Lanes) -> None:
        want = replace(bare("checkout"), policies=Raced(ground.endpoints, ground.caller))
        answer = await lanes.policy.bind(key("checkout"), want)
        assert not answer.owned
        await lanes.policy.release(key("checkout"), frozenset(binding.ref for binding in answer.owned))

    ground.run(story)

    assert CHECKOUT in str(stored(ground.emulator)["bindings"][4:])


def test_a_deleted_account_and_the_one_made_again_are_two(ground: Ground) -> None:
    tombstone = f"deleted:{CHECKOUT}?uid=123456789"
    filled(ground, {"role": LOGIN, "members": [tombstone]})
    before = stored(ground.emulator)
    ref = BindingRef(CHECKOUT.lower(), LOGIN)

    async def story(lanes: Lanes) -> None:
        assert (await lanes.policy.bind(key("checkout"), bare("checkout"))).owned == {Binding(LOGIN, CHECKOUT)}
        assert stored(ground.emulator)["bindings"][4]["members"] == [tombstone, CHECKOUT]
        await lanes.policy.release(key("checkout"), frozenset({ref}))

    ground.run(story)

    assert stored(ground.emulator) == before


def test_two_clusters_on_one_project_take_away_only_their_own(ground: Ground) -> None:
    def want(cluster: str) -> PolicyWant:
        return PolicyWant(bindings_for(CHECKOUT, IAM, Scope(ORDERS, cluster)))

    async def story(lanes: Lanes) -> None:
        for cluster in ("", "c1", "c2"):
            assert len((await lanes.policy.bind(key(f"of-{cluster}"), want(cluster))).owned) == 2
        for cluster in ("c1", ""):
            await lanes.policy.release(key(f"of-{cluster}"), frozenset(b.ref for b in want(cluster).bindings))

    ground.run(story)

    titles = {
        b.get("condition", {}).get("title") for b in stored(ground.emulator)["bindings"] if CHECKOUT in b["members"]
    }
    assert titles == {"cloudsql-iam-operator/c2/orders"}
