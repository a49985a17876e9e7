"""The plan for an IAM policy: our members in or out, everything else byte for byte as it was."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsql_iam_operator.api.instance import BindingMode, ConditionMode, ConnectionName, IAMSettings
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef, Condition, Scope, bindings_for, condition_for
from cloudsql_iam_operator.core.iam.policy import Policy, PolicyChange, plan
from cloudsql_iam_operator.core.iam.removals import removals_allowed

LOGIN = "roles/cloudsql.instanceUser"
CLIENT = "roles/cloudsql.client"
CHECKOUT = "serviceAccount:checkout@acme-prod.iam.gserviceaccount.com"
ORDERS = ConnectionName("acme-prod", "europe-west1", "orders")
ON_ORDERS = Condition(
    "cloudsql-iam-operator/orders",
    "only instance orders",
    "resource.name == 'projects/acme-prod/instances/orders' && resource.type == 'sqladmin.googleapis.com/Instance'",
)


def policy(*bindings: dict[str, Any], **more: Any) -> Policy:
    return Policy({"etag": "BwX", "version": 1, "bindings": list(bindings), **more})


def text(of: Policy) -> str:
    return json.dumps(of.document)


def wanted(*bindings: Binding) -> PolicyChange:
    return PolicyChange(wanted=frozenset(bindings))


def removable(*refs: BindingRef) -> PolicyChange:
    return PolicyChange(removable=frozenset(refs))


def test_a_login_takes_both_roles_narrowed_to_the_instance() -> None:
    iam = IAMSettings(BindingMode.MEMBER, (LOGIN, CLIENT), ConditionMode.PER_INSTANCE)

    bindings = bindings_for(CHECKOUT, iam, Scope(ORDERS))

    assert bindings == {Binding(LOGIN, CHECKOUT, ON_ORDERS), Binding(CLIENT, CHECKOUT, ON_ORDERS)}


def test_an_expiry_becomes_part_of_the_condition() -> None:
    scope = Scope(ORDERS, cluster="3f2a", expires_at=datetime(2026, 12, 1, tzinfo=UTC))

    narrowed = condition_for(ConditionMode.PER_INSTANCE, scope)
    bare = condition_for(ConditionMode.NONE, scope)

    end = "request.time < timestamp('2026-12-01T00:00:00Z')"
    title = "cloudsql-iam-operator/3f2a/orders"
    assert narrowed == Condition(
        title, "only instance orders, until 2026-12-01T00:00:00Z", f"{ON_ORDERS.expression} && {end}"
    )
    assert bare == Condition(title, "until 2026-12-01T00:00:00Z", end)
    assert condition_for(ConditionMode.NONE, Scope(ORDERS)) is None


def test_a_member_joins_the_binding_of_its_role_and_condition_only() -> None:
    before = policy(
        {"role": LOGIN, "members": ["user:ann@acme.com"]},
        {"role": LOGIN, "members": ["user:bob@acme.com"], "condition": {"title": "night", "expression": "false"}},
        {"role": CLIENT, "members": ["user:ann@acme.com"]},
    )

    planned = plan(before, wanted(Binding(LOGIN, CHECKOUT)))

    assert planned.added == {Binding(LOGIN, CHECKOUT)}
    assert planned.policy.document["bindings"][0]["members"] == ["user:ann@acme.com", CHECKOUT]
    assert planned.policy.document["bindings"][1:] == before.document["bindings"][1:]


def test_a_new_binding_stands_last_with_its_condition() -> None:
    planned = plan(
        policy({"role": LOGIN, "members": ["user:ann@acme.com"]}), wanted(Binding(LOGIN, CHECKOUT, ON_ORDERS))
    )

    assert planned.policy.document["bindings"][1] == {
        "role": LOGIN,
        "members": [CHECKOUT],
        "condition": {
            "title": "cloudsql-iam-operator/orders",
            "description": "only instance orders",
            "expression": ON_ORDERS.expression,
        },
    }


def test_a_member_that_is_there_in_other_letters_is_there() -> None:
    before = policy({"role": LOGIN, "members": [CHECKOUT.upper().replace("SERVICEACCOUNT", "serviceAccount")]})

    planned = plan(before, wanted(Binding(LOGIN, CHECKOUT)))

    assert not planned.changes
    assert planned.policy is before or planned.policy == before


def test_workforce_subjects_are_told_apart_by_case() -> None:
    subject = "principal://iam.googleapis.com/locations/global/workforcePools/acme/subject/Ann"
    before = policy({"role": LOGIN, "members": [subject.lower()]})

    planned = plan(before, wanted(Binding(LOGIN, subject)))

    assert planned.added == {Binding(LOGIN, subject)}


def test_a_deleted_member_is_foreign_and_does_not_count_as_present() -> None:
    tombstone = f"deleted:{CHECKOUT}?uid=123"
    before = policy({"role": LOGIN, "members": [tombstone]})

    planned = plan(before, wanted(Binding(LOGIN, CHECKOUT)))

    assert planned.policy.document["bindings"][0]["members"] == [tombstone, CHECKOUT]


def test_a_binding_is_dropped_only_when_we_emptied_it() -> None:
    before = policy({"role": LOGIN, "members": [CHECKOUT]}, {"role": "roles/viewer", "members": []})

    planned = plan(before, removable(BindingRef(CHECKOUT.lower(), LOGIN)))

    assert planned.removed == {Binding(LOGIN, CHECKOUT)}
    assert planned.policy.document["bindings"] == [{"role": "roles/viewer", "members": []}]


def test_what_another_object_wants_or_holds_is_not_removed() -> None:
    before = policy({"role": LOGIN, "members": [CHECKOUT]})
    ref = Binding(LOGIN, CHECKOUT).ref

    still_wanted = plan(before, PolicyChange(wanted=frozenset({Binding(LOGIN, CHECKOUT)}), removable=frozenset({ref})))
    held = plan(before, PolicyChange(removable=frozenset({ref}), held=frozenset({ref})))

    assert not still_wanted.changes
    assert not held.changes


def test_a_changed_expiry_replaces_the_old_condition() -> None:
    old = Binding(
        LOGIN,
        CHECKOUT,
        Condition("cloudsql-iam-operator/orders", "", "request.time < timestamp('2026-01-01T00:00:00Z')"),
    )
    new = Binding(LOGIN, CHECKOUT, ON_ORDERS)
    before = plan(policy(), wanted(old)).policy

    planned = plan(before, PolicyChange(wanted=frozenset({new}), removable=frozenset({old.ref})))

    assert planned.added == {new}
    assert planned.removed == {old}
    assert planned.losers == frozenset()


def test_a_full_policy_refuses_more_and_says_which_limit() -> None:
    full = policy({"role": "roles/viewer", "members": [f"user:u{n}@acme.com" for n in range(1499)]})

    planned = plan(full, wanted(Binding(LOGIN, CHECKOUT), Binding(CLIENT, CHECKOUT)))

    assert planned.added == {Binding(CLIENT, CHECKOUT)}
    assert planned.full == {Binding(LOGIN, CHECKOUT): "1500 principals, counted by occurrence"}


def test_a_removal_makes_room_in_the_same_plan() -> None:
    full = policy({"role": LOGIN, "members": [f"user:u{n}@acme.com" for n in range(1500)]})
    change = PolicyChange(
        wanted=frozenset({Binding(LOGIN, CHECKOUT)}), removable=frozenset({BindingRef("user:u7@acme.com", LOGIN)})
    )

    planned = plan(full, change)

    assert planned.added == {Binding(LOGIN, CHECKOUT)}
    assert planned.policy.principals == 1500


def test_groups_and_conditions_have_limits_of_their_own() -> None:
    groups = policy({"role": "roles/viewer", "members": [f"group:g{n}@acme.com" for n in range(250)]})
    conditions = policy(
        *(
            {"role": LOGIN, "members": [CHECKOUT], "condition": {"title": f"t{n}", "expression": "true"}}
            for n in range(20)
        )
    )

    group = Binding(LOGIN, "group:more@acme.com")
    assert plan(groups, wanted(group)).full == {group: "250 groups and domains"}
    twenty_first = Binding(LOGIN, CHECKOUT, ON_ORDERS)
    assert plan(conditions, wanted(twenty_first)).full == {
        twenty_first: "20 bindings of one role and principal with different conditions"
    }


@pytest.mark.parametrize(("ours", "allowed"), [(0, 10), (50, 10), (100, 20), (1000, 200)])
def test_a_pass_removes_at_most_ten_members_or_a_fifth(ours: int, allowed: int) -> None:
    assert removals_allowed(ours) == allowed


ROLES = st.sampled_from([LOGIN, CLIENT, "roles/viewer", "roles/owner"])
MEMBERS = st.sampled_from(
    [
        "user:ann@acme.com",
        "User:Ann@acme.com",
        "group:g@acme.com",
        f"deleted:{CHECKOUT}?uid=1",
        "domain:acme.com",
        "projectOwner:p",
    ]
)
CONDITIONS = st.sampled_from(
    [
        None,
        {"title": "night", "expression": "false"},
        {"title": "cloudsql-iam-operator/other", "description": "x", "expression": "true", "location": "a.cel:1"},
    ]
)
FOREIGN = st.builds(
    lambda role, members, condition, extra: (
        {"role": role, "members": members} | ({"condition": condition} if condition else {}) | extra
    ),
    ROLES,
    st.lists(MEMBERS, min_size=1, max_size=4),
    CONDITIONS,
    st.sampled_from([{}, {"bindingId": "b1"}]),
)
POLICIES = st.builds(
    lambda bindings, more: Policy({"version": 3, "etag": "BwX", "bindings": bindings, **more}),
    st.lists(FOREIGN, max_size=6),
    st.sampled_from([{}, {"auditConfigs": [{"service": "allServices"}], "unknown": {"a": [1]}}]),
)
OURS = st.frozensets(
    st.builds(
        Binding,
        st.sampled_from([LOGIN, CLIENT]),
        st.sampled_from([CHECKOUT, "user:carl@acme.com", "group:ours@acme.com"]),
        st.sampled_from([None, ON_ORDERS]),
    ),
    max_size=6,
)


@given(POLICIES, OURS)
def test_adding_and_removing_leaves_the_original_bytes(before: Policy, ours: frozenset[Binding]) -> None:
    original = text(before)

    added = plan(before, PolicyChange(wanted=ours))
    removed = plan(added.policy, PolicyChange(removable=frozenset(b.ref for b in added.added)))

    assert text(removed.policy) == original
    assert text(before) == original


@given(POLICIES, OURS, OURS)
def test_a_plan_changes_nothing_when_planned_again(
    before: Policy, ours: frozenset[Binding], theirs: frozenset[Binding]
) -> None:
    change = PolicyChange(wanted=ours, removable=frozenset(b.ref for b in theirs))

    once = plan(before, change)
    twice = plan(once.policy, change)

    assert not twice.changes
    assert text(twice.policy) == text(once.policy)
    assert all(once.policy.holds(binding) for binding in ours)


@given(POLICIES, OURS)
def test_foreign_content_survives_in_its_order(before: Policy, ours: frozenset[Binding]) -> None:
    foreign = copy.deepcopy(dict(before.document))

    after = plan(before, PolicyChange(wanted=ours)).policy.document

    assert {k: v for k, v in after.items() if k != "bindings"} == {k: v for k, v in foreign.items() if k != "bindings"}
    kept = after["bindings"][: len(foreign["bindings"])]
    for now, then in zip(kept, foreign["bindings"], strict=True):
        assert now["members"][: len(then["members"])] == then["members"]
        assert {k: v for k, v in now.items() if k != "members"} == {k: v for k, v in then.items() if k != "members"}


@given(POLICIES, st.lists(st.sampled_from(sorted([CHECKOUT, "user:carl@acme.com", "user:dora@acme.com"])), unique=True))
def test_the_order_of_wants_means_nothing(before: Policy, members: list[str]) -> None:
    forwards = frozenset(Binding(LOGIN, member, ON_ORDERS) for member in members)
    backwards = frozenset(Binding(LOGIN, member, ON_ORDERS) for member in reversed(members))

    assert text(plan(before, PolicyChange(forwards)).policy) == text(plan(before, PolicyChange(backwards)).policy)
