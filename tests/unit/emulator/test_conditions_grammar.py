"""CEL that Google takes and the emulator gives no meaning to, and what neither takes."""

import datetime as dt

import pytest

from cloudsql_emulator.iam.access import instance_resource
from cloudsql_emulator.iam.cel import MalformedExpression, UnknownExpression, parse
from cloudsql_emulator.iam.condition_rules import RULES, refusal
from cloudsql_emulator.iam.conditions import Circumstances, holds

ORDERS = Circumstances(instance_resource("acme", "orders"), dt.datetime(2026, 6, 1, tzinfo=dt.UTC))
EVERY = tuple(RULES)

STORED = [
    "request.time.getHours('Europe/Berlin') >= 9 && request.time.getDayOfWeek('Europe/Berlin') <= 5",
    "resource.matchTag('123/env', 'prod')",
    "request.time < timestamp('2026-01-01T00:00:00Z') + duration('3600s')",
    "'a' in ['a', resource.name]",
    "resource.name.extract('projects/{p}/')[0] == 'a' ? true : false",
    "destination.port == 22 || -1 < 2 * (3 - 4) / 5",
    "['a', 'b'].exists(x, x == resource.name)",
    "resource.name.split('/').size() > 3",
]
REFUSED = ["resource.name == 'a", "a ==", "resource.name resource.type", "(true", "true)", "?", "[1, ", "a.", "in", ""]


@pytest.mark.parametrize("expression", STORED)
def test_cel_without_meaning_here_is_stored_and_grants_nothing(expression: str) -> None:
    assert refusal("roles/cloudsql.client", {"title": "t", "expression": expression}, EVERY) is None
    with pytest.raises(UnknownExpression):
        holds(expression, ORDERS)


@pytest.mark.parametrize("expression", REFUSED)
def test_what_is_no_cel_is_refused(expression: str) -> None:
    with pytest.raises(MalformedExpression):
        parse(expression)
    told = refusal("roles/cloudsql.client", {"title": "t", "expression": expression}, EVERY)
    assert told is not None
    assert told.startswith("Condition expression compilation error: ")


def test_a_name_that_is_none_of_iams_is_refused() -> None:
    told = refusal("roles/cloudsql.client", {"title": "t", "expression": "foo.name == 'x'"}, EVERY)

    assert told == "Condition expression compilation error: undeclared reference to 'foo'"


def test_rules_that_are_switched_off_refuse_nothing() -> None:
    assert refusal("roles/owner", {"expression": "("}, ()) is None
    assert refusal("roles/owner", {"title": "t", "expression": "true"}, ("basic role",)) is not None
