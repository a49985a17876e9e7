"""A user's IAM bindings: their end and its renewal, those that others make, and what is recorded before a write."""

import asyncio
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudsql_iam_operator.api.names import USER
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef
from cloudsql_iam_operator.core.users.record import record_in
from cloudsql_iam_operator.services.reconcilers.principal import Principals
from cloudsql_iam_operator.services.reconcilers.user import UserReconciler
from cloudsql_iam_operator.services.runtime.reports import Report, status_of
from unit.services.authority.ground import ACCOUNT, RULE, USER_KEY, USER_STATUS, USERNAME, Ground, ahead, body

SPEC: dict[str, Any] = {
    "instanceRef": {"name": "orders"},
    "principal": {"kubernetesServiceAccount": {"name": "checkout"}},
}
MEMBER = f"serviceAccount:{ACCOUNT}"
LOGIN, CLIENT = "roles/cloudsql.instanceUser", "roles/cloudsql.client"


def reconciled(ground: Ground, spec: dict[str, Any], status: dict[str, Any] | None = None) -> Report:
    ground.show(body(USER.name, "checkout", {**SPEC, **spec}, deepcopy(USER_STATUS) if status is None else status))
    try:
        return asyncio.run(reconciler(ground).reconcile(ground.live(USER_KEY)))
    finally:
        ground.threads.close()


def reconciler(ground: Ground) -> UserReconciler:
    principals = Principals(ground, ground.threads, ground, lambda: "pool", lambda: datetime.now(UTC))  # type: ignore[arg-type] # a few lines
    return UserReconciler(ground, principals)  # type: ignore[arg-type] # likewise


def ready(ground: Ground, report: Report) -> tuple[str, str, str]:
    status = status_of(ground.live(USER_KEY), report, datetime.now(UTC))
    return next((c["status"], c["reason"], c["message"]) for c in status["conditions"] if c["type"] == "Ready")


def test_past_its_end_a_user_is_ready_without_bindings_and_says_until_when_it_was() -> None:
    end = ahead(-5)
    ground = Ground()

    report = reconciled(ground, {"expiresAt": end}, {**USER_STATUS, "expiresAt": end})

    assert (ground.bindings, ground.users) == (set(), {USERNAME})
    status, reason, message = ready(ground, report)
    assert (status, reason) == ("True", "Expired")
    assert end in message
    assert "iam" not in report.fields
    assert "bind" not in ground.calls


def test_a_later_end_renews_what_has_ended() -> None:
    ground = Ground()

    report = reconciled(ground, {"expiresAt": ahead(3600)}, {**USER_STATUS, "expiresAt": ahead(-5)})

    assert ready(ground, report)[:2] == ("True", "Succeeded")
    assert {ref.role for ref in ground.bindings} == {LOGIN, CLIENT}
    assert report.by is not None


def test_an_end_is_bounded_by_the_rule_from_the_first_admission() -> None:
    ground = Ground(rules=[{**RULE, "maxExpiry": "1h"}])
    status = {**USER_STATUS, "admittedAt": ahead(-3000), "expiresAt": ahead(500)}

    report = reconciled(ground, {"expiresAt": ahead(3000)}, status)

    assert ready(ground, report)[:2] == ("False", "ExpiryNotAllowed")
    assert USERNAME in ground.users
    assert report.fields["expiresAt"] == status["expiresAt"]


def test_an_end_brought_forward_counts_though_nothing_else_of_the_spec_is_allowed() -> None:
    ground = Ground()

    report = reconciled(ground, {"expiresAt": ahead(-5), "databaseRoles": ["not_allowed"]})

    assert (ground.bindings, ground.users) == (set(), {USERNAME})
    assert ready(ground, report)[0] == "False"


def test_no_user_is_made_for_an_access_that_has_ended() -> None:
    ground = Ground()
    ground.bindings, ground.users = set(), set()

    report = reconciled(ground, {"expiresAt": ahead(-5)}, {})

    assert (ground.bindings, ground.users) == (set(), set())
    assert ready(ground, report)[:2] == ("True", "Expired")


def test_bindings_that_others_make_are_looked_for_and_the_missing_one_is_told_with_its_command() -> None:
    ground = Ground(mode="External", external=frozenset({Binding(LOGIN, MEMBER)}))
    ground.bindings = set()

    report = reconciled(ground, {})

    assert "bind" not in ground.calls
    assert ground.bindings == set()
    status, reason, message = ready(ground, report)
    assert (status, reason) == ("False", "IAMBindingMissing")
    assert f"{MEMBER} lacks {CLIENT} in project acme;" in message
    assert f"gcloud projects add-iam-policy-binding acme --role={CLIENT} --member={MEMBER} --condition=" in message
    assert LOGIN not in message
    assert report.fields["iam"]["bindings"] == [{"role": LOGIN, "condition": "", "added": False}]


def test_a_user_whose_bindings_others_made_is_ready_and_takes_none_away() -> None:
    ground = Ground(mode="External", external=frozenset({Binding(LOGIN, MEMBER), Binding(CLIENT, MEMBER)}))
    before = set(ground.bindings)

    report = reconciled(ground, {})

    assert ready(ground, report)[:2] == ("True", "Succeeded")
    assert ground.bindings == before
    assert all(not entry["added"] for entry in report.fields["iam"]["bindings"])


@pytest.mark.parametrize("mode", ["Member", "External"])
def test_what_is_about_to_be_bound_is_recorded_with_the_user_that_is_about_to_be_made(mode: str) -> None:
    class Announcing(Ground):
        async def users_lane(self, instance: object) -> Any:
            await made.announce({USER_KEY: USERNAME})
            return await super().users_lane(instance)

    ground = Announcing(mode=mode)
    ground.show(body(USER.name, "checkout", SPEC, {}))
    made = reconciler(ground)

    asyncio.run(made.reconcile(ground.live(USER_KEY)))
    ground.threads.close()

    roles = {ref.role for ref in record_in(ground.remembered[0]).bindings}
    assert ground.remembered[0]["created"] is True
    assert roles == ({LOGIN, CLIENT} if mode == "Member" else set())


def test_what_is_about_to_be_bound_without_a_title_is_recorded_before() -> None:
    ground = Ground()
    ground.show(body(USER.name, "checkout", SPEC, USER_STATUS))
    ref = BindingRef(MEMBER.lower(), "roles/custom")

    failed = asyncio.run(reconciler(ground).record({USER_KEY: frozenset({ref})}))
    ground.threads.close()

    assert failed == {}
    assert ref in record_in(ground.remembered[0]).bindings
    assert ground.remembered[0]["username"] == USERNAME


def test_what_is_gone_cannot_be_recorded() -> None:
    ground = Ground()

    failed = asyncio.run(reconciler(ground).record({USER_KEY: frozenset({BindingRef("m", "r")})}))
    ground.threads.close()

    assert list(failed) == [USER_KEY]
