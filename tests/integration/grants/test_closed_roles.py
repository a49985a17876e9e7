"""Memberships in roles that reach further than they look: the operator's own, an owner, somebody else's login."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.core.grants.desired.entries import RoleEntry
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.setting import Place
from support.granting.wording import key, want

LOGIN = "orders-admin@acme-prod.iam"
ROLES = f"""
create role granter nologin;
grant app_owner to granter with admin option;
grant granter to op;
create role cloudsqliamserviceaccount nologin;
create role "{LOGIN}" login;
create role subject login;
grant cloudsqliamserviceaccount to "{LOGIN}", subject;
grant "{LOGIN}", subject to granter with admin option;
create role reader nologin;
grant reader to granter with admin option;
"""
GONE = f'drop role "{LOGIN}", subject, reader, granter, cloudsqliamserviceaccount'


@pytest.fixture
def access(place: Place) -> Iterator[Access]:
    place.sql(ROLES)
    yield replace(place.access(), set_role="granter")
    place.sql(GONE)


def asked(place: Place, access: Access, role: str, *listed: str) -> GrantAnswer:
    only = key("only")
    wanted = replace(want(RoleEntry(role, ("x",))), listed=frozenset(listed))
    answer = run_pass(access, place.name, {only: wanted}, {}, None).answers[only]
    assert isinstance(answer, GrantAnswer), answer
    return answer


@pytest.mark.parametrize("role", ["op", "granter", "app_owner", LOGIN, "subject"])
def test_nobody_is_made_a_member_of_a_role_that_reaches_further(place: Place, access: Access, role: str) -> None:
    answer = asked(place, access, role)

    assert answer.executed == ()
    assert {problem.reason for problem in answer.problems} == {Reason.ROLE_NOT_ALLOWED}


def test_one_that_the_rule_names_in_full_is_given(place: Place, access: Access) -> None:
    answer = asked(place, access, "app_owner", "app_owner")

    assert (len(answer.executed), answer.problems) == (1, ())
    place.sql("set role granter; revoke app_owner from x")


def test_an_ordinary_role_is_given(place: Place, access: Access) -> None:
    assert len(asked(place, access, "reader").executed) == 1
