"""What is recorded for a role that the operator has come to log in as: it keeps all of it."""

from collections.abc import Iterator

import pytest

from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.setting import Place
from support.granting.wording import NOTHING, caused, key, on_schema, table, want

TO = ("successor", "x")
SELECT = table("SELECT", to=TO, names=("orders",))
USAGE = on_schema("USAGE", to=TO)
ROLES = """
create role successor login noinherit;
grant app_owner to successor;
"""
GRANTED = ["successor=r/app_owner", "x=r/app_owner"]


@pytest.fixture
def granted(place: Place) -> Iterator[Place]:
    """A tenant's user and another got all of it, and then the operator's login became that tenant's user."""
    place.sql(ROLES)
    place.answer(want(SELECT, USAGE, ledger=caused(SELECT, USAGE)))
    assert place.acl("app.orders") == GRANTED
    yield place
    place.sql("drop owned by successor cascade; drop role successor")


def as_successor(place: Place, wanted: GrantWant) -> GrantAnswer:
    only = key("only")
    answer = run_pass(place.access("successor"), place.name, {only: wanted}, {}, None).answers[only]
    assert isinstance(answer, GrantAnswer), answer
    return answer


def test_a_grant_that_goes_takes_nothing_from_the_operator_and_all_from_others(granted: Place) -> None:
    answer = as_successor(granted, GrantWant(NOTHING, caused(SELECT, USAGE)))

    assert granted.acl("app.orders") == ["successor=r/app_owner"]
    assert granted.value("select has_schema_privilege('successor', 'app', 'USAGE')")
    assert not granted.value("select has_schema_privilege('x', 'app', 'USAGE')")
    assert (answer.ledger, answer.problems) == (frozenset(), ())


def test_a_grant_that_stays_names_the_operator_and_takes_nothing(granted: Place) -> None:
    answer = as_successor(granted, want(SELECT, ledger=caused(SELECT, USAGE)))

    assert [problem.reason for problem in answer.problems] == [Reason.ROLE_NOT_ALLOWED]
    assert "the operator logs in with it" in answer.problems[0].message
    assert granted.acl("app.orders") == GRANTED
    assert granted.value("select has_schema_privilege('successor', 'app', 'USAGE')")
