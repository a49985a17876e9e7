"""Memberships with several grantors, and what Exclusive sweeps, on a real PostgreSQL."""

from collections.abc import Iterator

import pytest

from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entry, RoleEntry
from cloudsql_iam_operator.core.reasons import Reason
from support.granting.setting import Place, Setting
from support.granting.wording import NOTHING, caused, on_schema, want

ROLES = """
create role reader nologin;
create role p nologin;
grant reader to op with admin option;
grant reader to p with admin option;
grant p to op;
"""


@pytest.fixture
def setting() -> Iterator[Setting]:
    with Setting() as running:
        running.place().sql(ROLES)
        yield running


def by_p(place: Place) -> None:
    place.sql("set role p; grant reader to x")


def edges(place: Place) -> list[str]:
    found: list[str] = place.value(
        "select array(select pg_get_userbyid(grantor)::text from pg_auth_members"
        " where roleid = 'reader'::regrole and member = 'x'::regrole order by 1)"
    )
    return found


def has_options(place: Place) -> bool:
    return int(place.value("select current_setting('server_version_num')")) >= 160000


def test_a_membership_of_another_grantor_with_other_options_is_reported_and_left(setting: Setting) -> None:
    place = setting.place()
    by_p(place)

    answer = place.answer(want(RoleEntry("reader", ("x",), inherit=False)))

    if not has_options(place):
        assert [problem.reason for problem in answer.problems] == [Reason.INVALID_SPEC]
        return
    assert [problem.reason for problem in answer.problems] == [Reason.CONFLICTING_GRANT]
    assert "was granted by 'p' with other options" in answer.problems[0].message
    assert (place.sent(), edges(place)) == ([], ["p"])


def test_exclusive_replaces_the_membership_of_a_grantor_within_reach(setting: Setting) -> None:
    place = setting.place(owner_roles=("app_owner", "p"))
    by_p(place)
    wanted = want(RoleEntry("reader", ("x",), inherit=False), how=Enforcement.EXCLUSIVE)

    first = place.answer(wanted)
    second = place.answer(wanted)

    if not has_options(place):
        assert [problem.reason for problem in first.problems] == [Reason.INVALID_SPEC]
        return
    assert (first.problems, edges(place)) == ((), ["op"])
    assert first.executed == ('GRANT "reader" TO "x" WITH INHERIT FALSE', 'REVOKE "reader" FROM "x"')
    assert second.executed == ()


def test_what_another_grantor_gave_outlives_the_object(setting: Setting) -> None:
    place = setting.place()
    by_p(place)

    answer = place.answer(GrantWant(NOTHING, caused(RoleEntry("reader", ("x",)))))

    # Before PostgreSQL 16 there is one membership, whoever granted it.
    left = ["p"] if has_options(place) else []
    assert (answer.problems, edges(place)) == ((), left)


def test_exclusive_takes_default_privileges_that_nobody_declares(setting: Setting) -> None:
    place = setting.place()
    place.sql(
        "alter default privileges for role app_owner in schema app grant select, insert on tables to x;"
        "alter default privileges for role app_owner in schema app grant select on tables to y"
    )
    kept = Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", future=True, owners=("app_owner",))

    answer = place.answer(want(on_schema("USAGE"), kept, how=Enforcement.EXCLUSIVE))

    assert answer.executed[-1] == (
        'ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "app" REVOKE INSERT ON TABLES FROM "x"'
    )
    assert len(answer.executed) == 2
