"""Members that the emulated Google refuses, by an organization's policy and otherwise: what is written all the same."""

import asyncio
from collections.abc import Iterator

import pytest

from cloudsql_emulator.emulator import Emulator
from cloudsql_emulator.faults.answers import ANSWERS
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.iam.bindings import Scope, bindings_for
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
    bindings,
    emulated,
    key,
    stored,
)

SET_POLICY = "cloudresourcemanager.projects.setIamPolicy"
HOME = ("acme.com",)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulated() as running:
        running.admin.add_principal("user", "guest@elsewhere.example")
        yield running


@pytest.fixture
def ground(emulator: Emulator) -> Iterator[Ground]:
    yield Ground.of_operator(emulator)
    emulator.admin.clear_faults()
    emulator.admin.set_switch("permitted_domains", ())
    emulator.admin.set_policy("projects/acme-prod", POLICY)


def guest() -> PolicyWant:
    return PolicyWant(bindings_for("user:guest@elsewhere.example", IAM, Scope(ORDERS)))


def writes(ground: Ground, since: int) -> int:
    return ground.calls(since).count(SET_POLICY)


@pytest.mark.parametrize("words", ["details", "bare"])
def test_whom_the_organization_does_not_let_in_is_told_and_holds_up_nobody(ground: Ground, words: str) -> None:
    admin = ground.emulator.admin
    admin.set_switch("permitted_domains", HOME)
    admin.set_switch("domain_refusal", words)
    since = admin.position()

    async def story(lanes: Lanes) -> None:
        refused, bound = await asyncio.gather(
            lanes.policy.bind(key("guest"), guest()),
            lanes.policy.bind(key("checkout"), bindings("checkout")),
            return_exceptions=True,
        )
        assert isinstance(refused, Refused)
        assert refused.reason is Reason.IAM_MEMBER_REFUSED
        assert isinstance(bound, BindingsAnswer)

    ground.run(story)

    assert CHECKOUT in str(stored(ground.emulator))
    assert writes(ground, since) <= 6


def test_a_stranger_that_is_stored_already_is_said_of_the_policy_and_of_nobody_else(ground: Ground) -> None:
    admin = ground.emulator.admin
    admin.add_binding("projects/acme-prod", "roles/browser", "user:guest@elsewhere.example")
    admin.set_switch("permitted_domains", HOME)
    before, since = stored(ground.emulator), admin.position()

    async def story(lanes: Lanes) -> None:
        for _ in range(3):
            names = [f"app-{number}" for number in range(20)]
            answers = await asyncio.gather(
                *(lanes.policy.bind(key(name), bindings(name)) for name in names), return_exceptions=True
            )
            assert {getattr(answer, "reason", None) for answer in answers} == {Reason.IAM_POLICY_REFUSED}

    ground.run(story)

    assert stored(ground.emulator) == before
    assert writes(ground, since) == 2


@pytest.mark.parametrize("answer", ["400 HTML", "404 HTML", "403 VPC Service Controls", "422", "500", "200 HTML"])
def test_a_write_that_is_answered_oddly_is_tried_again_later_and_nobody_is_refused(ground: Ground, answer: str) -> None:
    admin = ground.emulator.admin
    since = admin.position()
    admin.add_fault(SET_POLICY, times=None, **ANSWERS[answer])

    async def story(lanes: Lanes) -> None:
        with pytest.raises(NotYet):
            await lanes.policy.bind(key("checkout"), bindings("checkout"))
        admin.clear_faults()
        await lanes.policy.bind(key("checkout"), bindings("checkout"))

    ground.run(story)

    assert CHECKOUT in str(stored(ground.emulator))
    assert len(admin.writes(since=since, caller=OPERATOR)) == 2
