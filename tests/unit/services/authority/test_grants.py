"""Every state that a tenant can bring a DatabaseGrant into, and every way in which its authority ends.

In each pair of the two tables nothing that is no longer due may be left, and the status must say what is.
"""

import asyncio
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import pytest

from cloudsql_iam_operator.api.names import APPROVE, GIVE_UP, GRANT, USER
from cloudsql_iam_operator.core.grants.desired.written import recorded
from cloudsql_iam_operator.services.reconcilers.grant import GrantReconciler
from cloudsql_iam_operator.services.runtime.reports import Report
from cloudsql_iam_operator.services.waiting.ranks import Rank
from unit.services.authority.ends import ENDS as EITHER
from unit.services.authority.ends import End, rules
from unit.services.authority.ground import (
    APPLIED,
    CONNECT,
    GRANT_KEY,
    GRANT_STATUS,
    RULE,
    SINCE,
    USER_STATUS,
    USERNAME,
    Ground,
    ahead,
    as_a_check,
    body,
)

SPEC: dict[str, Any] = {
    "instanceRef": {"name": "orders"},
    "database": "orders",
    "grantees": [{"userRef": {"name": "checkout"}}],
    "grants": [
        {"kind": "Database", "privileges": ["CONNECT"]},
        {"kind": "Table", "schema": "app", "names": ["orders"], "privileges": ["SELECT"]},
    ],
}
PRINCIPAL = {"instanceRef": {"name": "orders"}, "principal": {"kubernetesServiceAccount": {"name": "checkout"}}}
ONLY_CONNECT = [{"roles": [USERNAME], "places": [CONNECT]}]
DELETING = {"deletionTimestamp": SINCE}


@dataclass
class State:
    """What a tenant made of its grant: changes of the spec, its metadata, its user, or a spec that is no spec."""

    spec: Any = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    user: dict[str, Any] | None = field(default_factory=dict)
    gives_back: bool = False
    """Whether the state alone asks for something to be taken back."""

    @property
    def deleting(self) -> bool:
        return "deletionTimestamp" in self.metadata

    def body(self, status: dict[str, Any]) -> dict[str, Any]:
        spec = {**SPEC, **self.spec} if isinstance(self.spec, dict) else self.spec
        return body(GRANT.name, "reads", spec, status, **self.metadata)


def noted(**annotations: str) -> dict[str, Any]:
    return {"annotations": annotations}


KEEPING = {
    "as it was": State(),
    "suspended": State({"suspend": True}),
    "mode Plan": State({"mode": "Plan"}),
    "mode Plan and suspended": State({"mode": "Plan", "suspend": True}),
    "Additive": State({"enforcement": "Additive"}),
    "Additive and suspended": State({"enforcement": "Additive", "suspend": True}),
    "Retain": State({"deletionPolicy": "Retain"}),
    "an end far ahead": State({"expiresAt": ahead(90_000_000)}),
    "reconcile requested": State(metadata=noted(**{"reconcile.iam.cloudsql.dev/requestedAt": "now"})),
    "give-up, not deleted": State(metadata=noted(**{GIVE_UP: "true"})),
    "approved some plan": State({"mode": "Plan"}, noted(**{APPROVE: "sha256:other"})),
    "no spec": State(None),
    "a spec that is a list": State([]),
    "an unknown enforcement": State({"enforcement": "Sometimes"}),
    "entries of a wrong type": State({"grants": "SELECT"}),
    "an unknown privilege": State({"grants": [{"kind": "Database", "privileges": ["X"]}]}),
    "an end that is no time": State({"expiresAt": "tomorrow"}),
    "an instance of another name": State({"instanceRef": {"name": "elsewhere"}}),
    "an instance of no name": State({"instanceRef": {}}),
    "another database": State({"database": "nowhere"}),
    "a database that is a number": State({"database": 7}),
    "its user suspended": State(user={**USER_STATUS, "conditions": []}),
    "its user not ready": State(
        user={**USER_STATUS, "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": SINCE}]}
    ),
}
GIVING = {
    "no grantee that is known": State({"grantees": [{"userRef": {"name": "nobody"}}]}, gives_back=True),
    "its user deleted": State(user=None, gives_back=True),
    "its user deleted, suspended": State({"suspend": True}, user=None, gives_back=True),
    "its user deleted, Additive": State({"enforcement": "Additive"}, user=None, gives_back=True),
    "its user deleted, no spec": State(None, user=None, gives_back=True),
    "its user withdrawn, suspended": State({"suspend": True}, user={**USER_STATUS, "withdrawn": True}, gives_back=True),
    "its user refused": State(user={**USER_STATUS, "created": False}, gives_back=True),
    "deleted": State(metadata=DELETING, gives_back=True),
    "deleted, suspended": State({"suspend": True}, DELETING, gives_back=True),
    "deleted, Additive": State({"enforcement": "Additive"}, DELETING, gives_back=True),
    "deleted, Plan": State({"mode": "Plan"}, DELETING, gives_back=True),
    "deleted, Retain": State({"deletionPolicy": "Retain"}, DELETING, gives_back=True),
    "deleted, give-up": State(metadata={**DELETING, **noted(**{GIVE_UP: "true"})}, gives_back=True),
    "deleted, no spec": State(None, DELETING, gives_back=True),
    "deleted, another instance": State({"instanceRef": {"name": "elsewhere"}}, DELETING, gives_back=True),
}
STATES = {**KEEPING, **GIVING}


def passed(ground: Ground, status: dict[str, Any]) -> None:
    ground.rules = [{**rule, "maxExpiry": "1h"} for rule in ground.rules]
    status |= {"admittedAt": ahead(-3600), "expiresAt": ahead(-1)}


ENDS: dict[str, End] = {
    **EITHER,
    "privilege taken out": rules({"privileges": ["CONNECT"]}),
    "schema taken out": rules({"schemas": ["other"]}),
    "database taken out": rules({"databases": ["other"]}),
    "two rules with a half each": rules({"privileges": ["CONNECT"]}, {"name": "b", "databases": []}),
    "end passed": passed,
}


def play(state: State, end: End | None, ground: Ground | None = None) -> tuple[Ground, Report]:
    ground, status = ground or Ground(), deepcopy(GRANT_STATUS)
    if end is not None:
        end(ground, status)
    user = None if state.user is None else body(USER.name, "checkout", PRINCIPAL, state.user or USER_STATUS)
    ground.show(user, state.body(status))
    reconciler = GrantReconciler(ground)  # type: ignore[arg-type] # the ground is made of a few lines
    ground.record_grants = reconciler.record
    live = ground.live(GRANT_KEY)
    try:
        report = asyncio.run(as_a_check(reconciler.remove(live) if state.deleting else reconciler.reconcile(live)))
    finally:
        ground.threads.close()
    return ground, report


@pytest.mark.parametrize(("state", "end"), list(product(STATES, ENDS)))
def test_nothing_is_left_of_a_grant_whose_authority_ended(state: str, end: str) -> None:
    ground, report = play(STATES[state], ENDS[end])

    assert ground.held == frozenset()
    assert report.fields["applied"] == []
    assert not any("all privileges" in finding.message for finding in report.findings)


@pytest.mark.parametrize(("state", "end"), list(product(STATES, ENDS)))
def test_the_status_says_what_a_grant_holds_and_why_not_more(state: str, end: str) -> None:
    _, report = play(STATES[state], ENDS[end])

    types = [finding.type for finding in report.findings]
    assert len(types) == len(set(types))
    if not STATES[state].deleting:
        expired = any(str(finding.reason) == "Expired" for finding in report.findings)
        assert expired or not report.holds


@pytest.mark.parametrize(("state", "end"), list(product(KEEPING, ENDS)))
def test_what_is_no_longer_due_of_a_grant_is_taken_as_an_edit_whatever_it_was_looked_at_for(
    state: str, end: str
) -> None:
    ground, _ = play(KEEPING[state], ENDS[end])

    assert ground.taken_at == {Rank.EDIT}


@pytest.mark.parametrize("state", KEEPING)
def test_no_state_alone_takes_a_grant_away(state: str) -> None:
    ground, report = play(KEEPING[state], None)

    assert recorded(APPLIED) <= ground.held
    assert recorded(report.fields["applied"]) >= recorded(APPLIED)


@pytest.mark.parametrize("state", GIVING)
def test_what_a_tenant_gives_back_is_taken_back(state: str) -> None:
    ground, report = play(GIVING[state], None)

    assert ground.held == frozenset()
    assert report.fields["applied"] == []


@pytest.mark.parametrize("end", ["privilege taken out", "two rules with a half each"])
@pytest.mark.parametrize("more", [{}, {"enforcement": "Additive"}, {"suspend": True}, {"mode": "Plan"}])
def test_a_grant_narrowed_together_with_its_rule_keeps_what_both_still_say(end: str, more: dict[str, Any]) -> None:
    ground, report = play(State({"grants": SPEC["grants"][:1], **more}), ENDS[end])

    assert ground.held == recorded(ONLY_CONNECT)
    assert recorded(report.fields["applied"]) == recorded(ONLY_CONNECT)


@pytest.mark.parametrize("state", ["deleted, Retain", "deleted, give-up"])
def test_a_deletion_leaves_what_it_gave_only_where_a_rule_allows_that(state: str) -> None:
    ground, report = play(GIVING[state], rules({"allowRetain": True}))

    assert ground.held == recorded(APPLIED)
    assert report.holds


@pytest.mark.parametrize("state", ["deleted, Retain", "deleted, give-up"])
def test_a_deletion_that_may_not_leave_what_it_gave_says_so(state: str) -> None:
    _, report = play(GIVING[state], None)

    assert [reason for reason, _ in report.warnings] == ["RetainNotAllowed"]


@pytest.mark.parametrize("state", ["deleted, Retain", "deleted, give-up"])
def test_nothing_is_left_past_an_end_even_where_a_rule_allows_it(state: str) -> None:
    def ended(ground: Ground, status: dict[str, Any]) -> None:
        rules({"allowRetain": True})(ground, status)
        passed(ground, status)

    ground, _ = play(GIVING[state], ended)

    assert ground.held == frozenset()


@pytest.mark.parametrize("state", ["its user deleted", "its user deleted, suspended", "its user deleted, no spec"])
def test_users_that_go_with_their_definition_take_nothing_along(state: str) -> None:
    ground, _ = play(GIVING[state], None, Ground(going=frozenset({USER.name})))

    assert ground.held == recorded(APPLIED)


@pytest.mark.parametrize("state", [state for state in GIVING if GIVING[state].deleting])
def test_grants_that_go_with_their_definition_are_abandoned(state: str) -> None:
    ground, report = play(GIVING[state], None, Ground(going=frozenset({GRANT.name})))

    assert ground.held == recorded(APPLIED)
    assert report.holds


def test_an_end_moved_on_is_the_one_that_was_admitted_until_a_rule_admits_the_other() -> None:
    until = ahead(3600)

    def soon(ground: Ground, status: dict[str, Any]) -> None:
        ground.rules = [{**RULE, "maxExpiry": "2h"}]
        status |= {"admittedAt": ahead(-3600), "expiresAt": until}

    refused, allowed = State({"expiresAt": ahead(7200)}), State({"expiresAt": ahead(3590)})

    _, report = play(refused, soon)
    assert "ExpiryNotAllowed" in {str(finding.reason) for finding in report.findings}
    assert report.fields["expiresAt"] == until
    assert report.by is not None
    assert 3500 < report.by < 3610

    _, report = play(allowed, soon)
    assert report.fields["expiresAt"] == allowed.spec["expiresAt"]


@pytest.mark.parametrize("more", [{}, {"suspend": True}, {"enforcement": "Additive"}, {"mode": "Plan"}])
def test_an_end_brought_forward_counts_at_once(more: dict[str, Any]) -> None:
    def later(ground: Ground, status: dict[str, Any]) -> None:
        status["expiresAt"] = ahead(3600)

    ground, report = play(State({"expiresAt": ahead(-1), **more}), later)

    assert ground.held == frozenset()
    assert any("nothing is held" in finding.message for finding in report.findings)


def test_a_platform_team_that_retains_keeps_what_is_withdrawn_but_nothing_past_an_end() -> None:
    def retaining() -> Ground:
        ground = Ground()
        ground.withdrawal = "Retain"
        return ground

    withdrawn, report = play(State(), ENDS["all rules gone"], retaining())
    ended, _ = play(replace(STATES["suspended"]), ENDS["end passed"], retaining())

    assert withdrawn.held == recorded(APPLIED)
    assert not report.holds
    assert ended.held == frozenset()
