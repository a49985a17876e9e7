"""Every state that a tenant can bring a CloudSQLIAMUser into, and every way in which its authority ends."""

import asyncio
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from cloudsql_iam_operator.api.names import GRANT, USER
from cloudsql_iam_operator.core.errors import Failure, NotYet, Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.claims import NotOurs
from cloudsql_iam_operator.services.reconcilers.principal import Principals
from cloudsql_iam_operator.services.reconcilers.user import UserReconciler
from cloudsql_iam_operator.services.runtime.reports import Report
from cloudsql_iam_operator.services.waiting.ranks import Rank
from unit.services.authority.ends import ENDS as EITHER
from unit.services.authority.ends import End, rules
from unit.services.authority.ground import (
    ACCOUNT,
    GRANT_STATUS,
    HIDDEN,
    RULE,
    SINCE,
    USER_KEY,
    USER_STATUS,
    USERNAME,
    Ground,
    ahead,
    as_a_check,
    body,
)

SPEC: dict[str, Any] = {
    "instanceRef": {"name": "orders"},
    "principal": {"kubernetesServiceAccount": {"name": "checkout"}},
}
DELETING = {"deletionTimestamp": SINCE}
OTHER = "other@acme.iam.gserviceaccount.com"


@dataclass
class State:
    """What a tenant made of its user: its spec, its metadata, and its ServiceAccount."""

    spec: Any = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    account: str | Failure | None = ACCOUNT

    @property
    def deleting(self) -> bool:
        return "deletionTimestamp" in self.metadata

    def body(self, status: dict[str, Any]) -> dict[str, Any]:
        spec = {**SPEC, **self.spec} if isinstance(self.spec, dict) else self.spec
        return body(USER.name, "checkout", spec, status, **self.metadata)


KEEPING = {
    "as it was": State(),
    "suspended": State({"suspend": True}),
    "mode Observe": State({"mode": "Observe"}),
    "an end": State({"expiresAt": ahead(3600)}),
    "database roles": State({"databaseRoles": ["app_ro"]}),
    "Abandon": State({"deletionPolicy": "Abandon"}),
    "RevokeOnly": State({"deletionPolicy": "RevokeOnly"}),
    "no spec": State(None),
    "a spec that is a text": State("none"),
    "an unknown mode": State({"mode": "Sometimes"}),
    "a suspend that is no flag": State({"suspend": "yes"}),
    "no principal": State({"principal": {}}),
    "two principals": State({"principal": {"user": "a@acme.com", "group": "b@acme.com"}}),
    "an instance of another name": State({"instanceRef": {"name": "elsewhere"}}),
    "an instance that is a list": State({"instanceRef": []}),
    "adoption required": State({"adoptionPolicy": "Required"}),
    "reconcile requested": State(metadata={"annotations": {"reconcile.iam.cloudsql.dev/requestedAt": "now"}}),
    "its account deleted": State(account=None),
    "its account's annotation taken off": State(account=""),
    "its account annotated with nonsense": State(account="nobody"),
    "its account annotated with one that is not let in": State(account=OTHER),
    "its account hidden": State(account=HIDDEN),
    "its account hidden, suspended": State({"suspend": True}, account=HIDDEN),
    "its account deleted, Abandon": State({"deletionPolicy": "Abandon"}, account=None),
}
GIVING = {
    "deleted": State(metadata=DELETING),
    "deleted, suspended": State({"suspend": True}, DELETING),
    "deleted, Abandon": State({"deletionPolicy": "Abandon"}, DELETING),
    "deleted, no spec": State(None, DELETING),
    "deleted, another instance": State({"instanceRef": {"name": "elsewhere"}}, DELETING),
    "deleted, its account hidden": State(metadata=DELETING, account=HIDDEN),
}
STATES = {**KEEPING, **GIVING, "deleted, RevokeOnly": State({"deletionPolicy": "RevokeOnly"}, DELETING)}


def passed(ground: Ground, status: dict[str, Any]) -> None:
    status["expiresAt"] = ahead(-1)


def passed_and_kept(ground: Ground, status: dict[str, Any]) -> None:
    passed(ground, status)
    ground.rules, ground.withdrawal = [], "Retain"


def passed_and_shut_out(ground: Ground, status: dict[str, Any]) -> None:
    passed(ground, status)
    ground.rules = [{**RULE, "maxExpiry": "1h"}]


def unbound(ground: Ground, status: dict[str, Any]) -> None:
    ground.proven = False


ENDS: dict[str, End] = {
    **EITHER,
    "workloads let in no more": rules({"principals": {"users": ["*"]}}),
    "end passed, and more than a rule allows": passed_and_shut_out,
    "account lets the workload in no more": unbound,
}


STAYING = {"end passed": passed, "end passed, rules gone, Retain": passed_and_kept}


def play(state: State, end: End | None = None, ground: Ground | None = None) -> tuple[Ground, Report]:
    ground, status = ground or Ground(), deepcopy(USER_STATUS)
    ground.account = state.account
    if end is not None:
        end(ground, status)
    ground.show(state.body(status))
    principals = Principals(ground, ground.threads, ground, lambda: "pool", lambda: datetime.now(UTC))  # type: ignore[arg-type] # a few lines
    reconciler, live = UserReconciler(ground, principals), ground.live(USER_KEY)  # type: ignore[arg-type] # likewise
    try:
        report = asyncio.run(as_a_check(reconciler.remove(live) if state.deleting else reconciler.reconcile(live)))
    finally:
        ground.threads.close()
    return ground, report


def reasons(report: Report) -> set[str]:
    return {str(finding.reason) for finding in report.findings}


@pytest.mark.parametrize(("state", "end"), list(product(STATES, ENDS)))
def test_nothing_is_left_of_a_user_whose_authority_ended(state: str, end: str) -> None:
    ground, report = play(STATES[state], ENDS[end])

    assert (ground.bindings, ground.users) == (set(), set())
    assert not report.fields["created"]
    assert "iam" not in report.fields
    types = [finding.type for finding in report.findings]
    assert len(types) == len(set(types))
    assert STATES[state].deleting or not report.holds or reasons(report) == {"Expired"}


@pytest.mark.parametrize(("state", "end"), list(product(KEEPING, ENDS)))
def test_what_is_no_longer_due_of_a_user_is_taken_as_an_edit_whatever_it_was_looked_at_for(
    state: str, end: str
) -> None:
    ground, _ = play(KEEPING[state], ENDS[end])

    assert ground.taken_at == {Rank.EDIT}


@pytest.mark.parametrize(("state", "end"), list(product(KEEPING, STAYING)))
def test_nobody_logs_in_past_an_end_and_the_user_stays(state: str, end: str) -> None:
    declared = KEEPING[state].spec
    ground, report = play(KEEPING[state], STAYING[end])

    renewed = isinstance(declared, dict) and "expiresAt" in declared
    assert USERNAME in ground.users
    assert report.fields["created"]
    if not (renewed or report.fields.get("iam")):
        assert ground.bindings == set()


@pytest.mark.parametrize("state", GIVING)
def test_a_deletion_past_an_end_leaves_nothing(state: str) -> None:
    ground, _ = play(GIVING[state], passed)

    assert (ground.bindings, ground.users) == (set(), set())


@pytest.mark.parametrize("state", KEEPING)
def test_no_state_alone_takes_a_user_away(state: str) -> None:
    ground, report = play(KEEPING[state])

    assert len(ground.bindings) >= 1
    assert USERNAME in ground.users
    assert report.fields["created"]


@pytest.mark.parametrize("state", KEEPING)
@pytest.mark.parametrize(
    "unknown",
    [
        NotYet(Reason.IAM_PERMISSION_DENIED, "the policy may not be read"),
        Refused(Reason.PRINCIPAL_NOT_FOUND, "Google says that there is no such account"),
    ],
)
def test_an_answer_that_proves_nothing_takes_no_user_away(state: str, unknown: Failure) -> None:
    ground, _ = play(KEEPING[state], ground=Ground(proven=unknown))

    assert len(ground.bindings) >= 1
    assert USERNAME in ground.users


@pytest.mark.parametrize("state", GIVING)
def test_a_deleted_user_leaves_nothing(state: str) -> None:
    ground, report = play(GIVING[state])

    assert (ground.bindings, ground.users, report.holds) == (set(), set(), True)


def test_abandon_counts_only_where_a_rule_allows_it_and_is_told_of_where_not() -> None:
    left, _ = play(GIVING["deleted, Abandon"], rules({"allowRetain": True}))
    taken, report = play(GIVING["deleted, Abandon"])

    assert (len(left.bindings), left.users) == (1, {USERNAME})
    assert (taken.bindings, taken.users) == (set(), set())
    assert [reason for reason, _ in report.warnings] == ["RetainNotAllowed"]


def test_a_user_withdrawn_lays_claim_to_no_name_any_more() -> None:
    _, report = play(STATES["as it was"], ENDS["all rules gone"])

    assert "username" not in report.fields


def test_a_user_that_is_let_in_and_comes_second_keeps_its_claim_to_the_name() -> None:
    class Taken(Ground):
        async def users_lane(self, instance: object) -> Any:
            raise NotOurs(Reason.MANAGED_BY_OTHER, "an older object declares it")

    ground = Taken()
    status = {name: value for name, value in USER_STATUS.items() if name not in {"created", "iam"}}
    ground.show(body(USER.name, "checkout", SPEC, status))
    principals = Principals(ground, ground.threads, ground, lambda: "pool", lambda: datetime.now(UTC))  # type: ignore[arg-type] # a few lines
    reconciler = UserReconciler(ground, principals)  # type: ignore[arg-type] # likewise

    report = asyncio.run(reconciler.reconcile(ground.live(USER_KEY)))
    ground.threads.close()

    assert "ManagedByOther" in reasons(report)
    assert report.fields["username"] == USERNAME


def test_a_workload_that_comes_to_act_as_another_account_moves_only_once_that_is_let_in() -> None:
    class Both(Ground):
        def admits(self, email: str, workload: object) -> bool:
            return email in {ACCOUNT, OTHER}

    moved, report = play(State(account=OTHER), ground=Both())
    stayed, told = play(State(account=OTHER))

    assert moved.users == {"other@acme.iam"}
    assert report.fields["username"] == "other@acme.iam"
    assert stayed.users == {USERNAME}
    assert "WorkloadIdentityMismatch" in reasons(told)


def test_a_workload_that_moves_while_a_grant_holds_says_so_in_one_condition_and_shuts_the_former_out() -> None:
    class Both(Ground):
        def admits(self, email: str, workload: object) -> bool:
            return email in {ACCOUNT, OTHER}

        def show(self, user: dict[str, Any] | None, grant: dict[str, Any] | None = None) -> None:
            super().show(user, body(GRANT.name, "reads", None, GRANT_STATUS))

    ground, report = play(State(account=OTHER), ground=Both())

    types = [finding.type for finding in report.findings]
    assert len(types) == len(set(types))
    assert reasons(report) >= {"AccessWithdrawn", "DependentGrantsExist"}
    assert report.fields["withdrawn"] is True
    assert (ground.bindings, ground.users) == (set(), {USERNAME})


def test_a_stranger_is_told_so_before_anybody_outside_is_asked() -> None:
    ground = Ground(rules=[{**RULE, "namespaces": {"names": ["somebody-else"]}}])
    ground.show(body(USER.name, "checkout", SPEC))
    principals = Principals(ground, ground.threads, ground, lambda: "pool", lambda: datetime.now(UTC))  # type: ignore[arg-type] # a few lines
    reconciler = UserReconciler(ground, principals)  # type: ignore[arg-type] # likewise

    report = asyncio.run(reconciler.reconcile(ground.live(USER_KEY)))
    ground.threads.close()

    assert reasons(report) == {"NamespaceNotAllowed"}
    assert ground.calls == []
