"""Conditions as the emulator understands them."""

import datetime as dt

import pytest

from cloudsql_emulator.iam.access import instance_resource
from cloudsql_emulator.iam.cel import UnknownExpression
from cloudsql_emulator.iam.conditions import MODIFIED_GRANTS, Circumstances, holds, logical_operators

NOON = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
ORDERS = Circumstances(instance_resource("acme", "orders"), NOON)
ONLY_LOGIN = "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['roles/cloudsql.instanceUser'])"


@pytest.mark.parametrize(
    "expression",
    [
        "resource.name == 'projects/acme/instances/orders'",
        'resource.name == "projects/acme/instances/orders"',
        "resource.name.startsWith('projects/acme/instances/ord')",
        "resource.type == 'sqladmin.googleapis.com/Instance' && resource.service == 'sqladmin.googleapis.com'",
        "resource.name == 'nope' || resource.name.endsWith('/orders')",
        "!(resource.name == 'nope') && !resource.name.startsWith('nope')",
        "request.time < timestamp('2026-06-01T12:00:01Z')",
        "request.time >= timestamp('2026-06-01T14:00:00+02:00')",
        "resource.matchTag('a/b', 'c') || resource.name.endsWith('orders')",
        ONLY_LOGIN,
    ],
)
def test_conditions_that_hold(expression: str) -> None:
    assert holds(expression, ORDERS)


@pytest.mark.parametrize(
    "expression",
    [
        "resource.name == 'projects/acme/instances/orders2'",
        "resource.name != 'projects/acme/instances/orders'",
        "request.time < timestamp('2026-06-01T12:00:00Z')",
        "resource.name.endsWith('nope') && resource.matchTag('a/b', 'c')",
        "'a' == 'a && b' || resource.name == '||'",
    ],
)
def test_conditions_that_do_not_hold(expression: str) -> None:
    assert not holds(expression, ORDERS)


@pytest.mark.parametrize(
    "expression",
    [
        "resource.matchTag('a/b', 'c')",
        "resource.labels",
        "request.time.getHours() < 5",
        "resource.name ==",
        "resource.name == 'a' 'b'",
        "resource.name == 'a",
        "request.time < timestamp('tomorrow')",
        "resource.name",
        "",
    ],
)
def test_what_is_not_understood_is_said_to_be_so(expression: str) -> None:
    with pytest.raises(UnknownExpression):
        holds(expression, ORDERS)


@pytest.mark.parametrize(
    ("roles", "granted"),
    [
        ((), True),
        (("roles/cloudsql.instanceUser",), True),
        (("roles/cloudsql.instanceUser", "roles/owner"), False),
    ],
)
def test_a_limit_on_roles_looks_at_all_that_change(roles: tuple[str, ...], granted: bool) -> None:
    circumstances = Circumstances(ORDERS.resource, NOON, {MODIFIED_GRANTS: roles})

    assert holds(ONLY_LOGIN, circumstances) is granted


def test_logical_operators_are_counted_outside_of_strings() -> None:
    expression = "resource.name == '&&' && !(resource.type == 'a' || resource.type == '||')"

    assert logical_operators(expression) == 3
