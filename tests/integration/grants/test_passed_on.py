"""A grantee with a grant option passed something on: who has it is named, and loses it where the rule says so."""

from dataclasses import replace

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entry, RoleEntry
from cloudsql_iam_operator.core.reasons import Reason
from support.granting.setting import Place
from support.granting.wording import NOTHING, want

OPTION = Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", ("orders",), option=True)


def passed_on(place: Place) -> GrantWant:
    """What takes back a grant option that was passed on to y."""
    answer = place.through(want(OPTION))
    place.sql("grant usage on schema app to x; set role app_owner; grant usage on schema app to x")
    place.sql("set session authorization x; grant select on app.orders to y")
    return GrantWant(NOTHING, answer.ledger)


def test_who_was_passed_a_privilege_is_named_and_keeps_it(place: Place) -> None:
    answer = place.answer(passed_on(place))

    assert [problem.reason for problem in answer.problems] == [Reason.REVOKE_BLOCKED]
    assert "y has it from x" in answer.problems[0].message
    assert answer.ledger != frozenset()
    assert "y=r/x" in place.acl("app.orders")


def test_what_was_passed_on_goes_along_where_the_rule_says_so(place: Place) -> None:
    answer = place.answer(replace(passed_on(place), cascade=True))

    assert (answer.problems, answer.ledger) == ((), frozenset())
    assert answer.executed == ('REVOKE SELECT ON TABLE "app"."orders" FROM "x" CASCADE',)
    assert place.acl("app.orders") == []


def test_nothing_cascades_where_nothing_was_passed_on(place: Place) -> None:
    answer = place.through(want(OPTION))

    gone = place.answer(GrantWant(NOTHING, answer.ledger, cascade=True))

    assert gone.executed == ('REVOKE SELECT ON TABLE "app"."orders" FROM "x"',)


def test_a_membership_that_was_passed_on_goes_along_too(place: Place) -> None:
    place.sql("create role club nologin; grant club to op with admin option")
    try:
        answer = place.through(want(RoleEntry("club", ("x",), admin=True)))
        place.sql("set session authorization x; grant club to y")

        blocked = place.answer(GrantWant(NOTHING, answer.ledger))
        gone = place.answer(GrantWant(NOTHING, answer.ledger, cascade=True))

        depends = place.version >= 16  # before, a membership hangs on nobody, and outlives who passed it on
        assert [problem.reason for problem in blocked.problems] == ([Reason.REVOKE_BLOCKED] if depends else [])
        assert (gone.problems, gone.ledger) == ((), frozenset())
        members = "select array(select member::regrole::text from pg_auth_members where roleid = 'club'::regrole)"
        assert sorted(place.value(members)) == (["op"] if depends else ["op", "y"])
    finally:
        place.sql("drop role club")
