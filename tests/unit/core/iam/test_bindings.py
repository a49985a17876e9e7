"""Which bindings are as the operator writes them: its own, whatever their end, and no other's."""

from datetime import UTC, datetime
from itertools import product

import pytest

from cloudsql_iam_operator.api.instance import ConditionMode, ConnectionName
from cloudsql_iam_operator.core.iam.bindings import (
    TITLE_LENGTH,
    Binding,
    BindingRef,
    Condition,
    Scope,
    condition_for,
    title_of,
)
from cloudsql_iam_operator.core.iam.policy import Policy, PolicyChange, plan

LOGIN = "roles/cloudsql.instanceUser"
ANN = "user:ann@acme.com"
ORDERS = ConnectionName("acme.com:prod", "europe-west1", "orders")
LONG = "o" * 90
END = datetime(2026, 12, 1, 8, 30, tzinfo=UTC)
PLACE = "resource.name == 'projects/acme.com:prod/instances/orders'"
TYPE = "resource.type == 'sqladmin.googleapis.com/Instance'"


def scope(instance: str, cluster: str, end: datetime | None = None) -> Scope:
    return Scope(ConnectionName("acme.com:prod", "europe-west1", instance), cluster, end)


@pytest.mark.parametrize(
    ("mode", "instance", "cluster", "end"),
    list(product(ConditionMode, ["orders", LONG], ["", "c1"], [None, END])),
)
def test_whatever_the_operator_writes_it_knows_again(
    mode: ConditionMode, instance: str, cluster: str, end: datetime | None
) -> None:
    condition = condition_for(mode, scope(instance, cluster, end))

    assert Binding(LOGIN, ANN, condition).made_by_us
    assert condition is None or len(condition.title) <= TITLE_LENGTH


@pytest.mark.parametrize(
    "expression",
    [
        "true",
        "",
        PLACE,
        TYPE,
        f"{TYPE} && {PLACE}",
        f"{PLACE} || {TYPE}",
        f"{PLACE} && {TYPE} && true",
        f"{PLACE} && {TYPE} && request.time > timestamp('2026-12-01T00:00:00Z')",
        f"{PLACE.replace('orders', 'billing')} && {TYPE}",
        f"resource.name.startsWith('projects/acme.com:prod/instances/orders') && {TYPE}",
        f"{PLACE} && {TYPE} && request.time < timestamp('2026-12-01T00:00:00Z') && true",
    ],
)
def test_a_condition_of_our_title_that_says_another_thing_is_somebody_elses(expression: str) -> None:
    binding = Binding(LOGIN, ANN, Condition("cloudsql-iam-operator/orders", "", expression))
    entry = {"title": "cloudsql-iam-operator/orders", "expression": expression}
    policy = Policy({"etag": "1", "bindings": [{"role": LOGIN, "members": [ANN], "condition": entry}]})

    assert not binding.made_by_us
    assert not plan(policy, PolicyChange(removable=frozenset({BindingRef(ANN, LOGIN, binding.ref.title)}))).changes


def test_each_cluster_and_each_instance_has_a_title_of_its_own() -> None:
    places = [(instance, cluster) for instance in ("orders", LONG, LONG + "x") for cluster in ("", "c1", "c2")]

    titles = {title_of(scope(instance, cluster)) for instance, cluster in places}

    assert len(titles) == len(places)


def test_two_clusters_of_one_project_take_away_their_own_only() -> None:
    named, unnamed = (condition_for(ConditionMode.PER_INSTANCE, scope("orders", c)) for c in ("c1", ""))
    both = plan(
        Policy({"etag": "1"}), PolicyChange(frozenset({Binding(LOGIN, ANN, named), Binding(LOGIN, ANN, unnamed)}))
    )

    left = plan(both.policy, PolicyChange(removable=frozenset({Binding(LOGIN, ANN, unnamed).ref})))

    assert left.removed == {Binding(LOGIN, ANN, unnamed)}
    assert left.policy.holds(Binding(LOGIN, ANN, named))
