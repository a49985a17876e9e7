"""Grants on every kind of object that a real PostgreSQL has."""

import pytest

from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.core.grants.decided.counts import Observed
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.decided.residual import Residual
from cloudsql_iam_operator.core.grants.desired.entries import Entry, RoleEntry
from cloudsql_iam_operator.core.grants.desired.ledger import granted
from cloudsql_iam_operator.core.reasons import Reason
from support.granting.setting import Place
from support.granting.wording import NOTHING, caused, objects, table, want


def columns(*names: str, of: str, privileges: tuple[str, ...] = ("SELECT",)) -> Entry:
    return Entry(ObjectKind.COLUMN, ("x",), privileges, "app", (of,), columns=names)


def future(kind: ObjectKind, *privileges: str, owners: tuple[str, ...] = ("*",)) -> Entry:
    return Entry(kind, ("x",), privileges, "app", future=True, owners=owners)


@pytest.mark.parametrize(
    ("kind", "executed"),
    [
        (ObjectKind.VIEW, 'GRANT SELECT ON TABLE "app"."totals" TO "x"'),
        (ObjectKind.MATERIALIZED_VIEW, 'GRANT SELECT ON TABLE "app"."history" TO "x"'),
        (ObjectKind.SEQUENCE, 'GRANT SELECT ON SEQUENCE "app"."numbers" TO "x"'),
    ],
)
def test_a_wildcard_touches_its_own_kind_only(place: Place, kind: ObjectKind, executed: str) -> None:
    answer = place.answer(want(objects(kind, "SELECT")))

    assert answer.executed == (executed,)


def test_relation_is_tables_views_and_materialized_views(place: Place) -> None:
    place.answer(want(objects(ObjectKind.RELATION, "SELECT")))

    held = [place.acl(name) for name in ("app.orders", "app.totals", "app.history")]
    assert held == [["x=r/app_owner"]] * 3


def test_a_routine_wildcard_takes_in_overloads_and_procedures_and_converges(place: Place) -> None:
    wanted = want(objects(ObjectKind.ROUTINE, "EXECUTE"))

    first = place.answer(wanted)
    second = place.answer(wanted)

    assert first.executed == (
        'GRANT EXECUTE ON FUNCTION "app"."f"("pg_catalog"."int4"), "app"."f"("pg_catalog"."text") TO "x"',
        'GRANT EXECUTE ON PROCEDURE "app"."tidy"() TO "x"',
    )
    assert (second.executed, second.problems) == ((), ())


def test_a_signature_names_one_overload_however_it_is_spelled(place: Place) -> None:
    place.sql(
        """set role app_owner; create function app."Weird "" Fn"(numeric(10,2)[], app.state) returns int
        language sql as 'select 1'"""
    )
    names = ("f( integer )", 'Weird " Fn(numeric(10,2)[], app.state)')

    answer = place.answer(want(objects(ObjectKind.ROUTINE, "EXECUTE", names=names)))

    assert answer.problems == ()
    assert answer.executed == (
        'GRANT EXECUTE ON FUNCTION "app"."Weird "" Fn"("pg_catalog"."_numeric", "app"."state"), '
        '"app"."f"("pg_catalog"."int4") TO "x"',
    )


def test_an_unreadable_signature_is_not_found_and_stops_no_other(place: Place) -> None:
    names = ("f(integer)", "f(no_such_type)", "f(int); drop table app.orders; --()")

    answer = place.answer(want(objects(ObjectKind.ROUTINE, "EXECUTE", names=names)))

    assert [problem.reason for problem in answer.problems] == [Reason.OBJECT_NOT_FOUND]
    assert answer.executed == ('GRANT EXECUTE ON FUNCTION "app"."f"("pg_catalog"."int4") TO "x"',)
    assert place.value("select to_regclass('app.orders')::text") == "app.orders"


def test_types_and_domains_are_granted_and_row_and_array_types_are_not(place: Place) -> None:
    place.sql("set role app_owner; create domain app.code as text; create type app.pair as (a int, b int)")

    answer = place.answer(want(objects(ObjectKind.TYPE, "USAGE")))

    assert answer.problems == ()
    assert answer.executed == ('GRANT USAGE ON TYPE "app"."code", "app"."pair", "app"."state" TO "x"',)


def test_what_except_leaves_out_is_not_granted_and_is_revoked_when_it_is_added(place: Place) -> None:
    place.sql("set role app_owner; create table app.tmp_a (); create table app.secrets ()")
    everything = place.answer(want(table("SELECT")))
    entry = Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", ("*",), ("secrets", "tmp_*"))

    answer = place.answer(want(entry, ledger=everything.ledger))

    assert answer.executed == ('REVOKE SELECT ON TABLE "app"."secrets", "app"."tmp_a" FROM "x"',)
    assert granted(answer.ledger) == caused(entry)


def test_columns_are_granted_by_name_and_missing_ones_are_named(place: Place) -> None:
    answer = place.answer(want(columns("id", "country", "unborn", of="orders")))

    assert answer.executed == ('GRANT SELECT ("country", "id") ON TABLE "app"."orders" TO "x"',)
    assert [problem.message for problem in answer.problems] == [
        "Column orders.unborn does not exist in schema 'app'",
    ]


def test_a_column_that_the_table_privilege_covers_needs_no_statement(place: Place) -> None:
    place.sql("set role app_owner; grant select on app.orders to x")

    answer = place.answer(want(columns("id", of="orders")))

    assert (answer.executed, answer.problems) == ((), ())
    assert answer.observed == Observed(desired=1, held=1)


def test_narrowing_a_table_to_columns_revokes_the_table_before_it_grants_the_columns(place: Place) -> None:
    place.sql("set role app_owner; grant select (note) on app.orders to x")
    first = place.answer(want(table("SELECT", names=("orders",))))

    second = place.answer(want(columns("id", of="orders"), ledger=first.ledger))

    assert second.problems == ()
    assert second.executed[0] == 'REVOKE SELECT ON TABLE "app"."orders" FROM "x"'
    granted = "select has_column_privilege('x', 'app.orders', '{}', 'SELECT')"
    assert [place.value(granted.format(name)) for name in ("id", "country", "note")] == [True, False, True]


def test_a_dropped_column_is_not_seen(place: Place) -> None:
    place.sql("set role app_owner; grant select (note) on app.orders to x; alter table app.orders drop column note")

    answer = place.answer(want(columns("id", of="orders"), how=Enforcement.EXCLUSIVE))

    assert answer.executed == ('GRANT SELECT ("id") ON TABLE "app"."orders" TO "x"',)


def test_default_privileges_are_set_for_everybody_who_may_create(place: Place) -> None:
    wanted = want(future(ObjectKind.TABLE, "SELECT"), future(ObjectKind.SEQUENCE, "USAGE"))

    first = place.answer(wanted)
    place.sql("set role app_owner; create table app.later ()")
    second = place.answer(wanted)

    assert first.executed == (
        'ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "app" GRANT SELECT ON TABLES TO "x"',
        'ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "app" GRANT USAGE ON SEQUENCES TO "x"',
    )
    assert place.acl("app.later") == ["x=r/app_owner"]
    assert second.executed == ()


def test_default_privileges_are_taken_back_on_deletion(place: Place) -> None:
    first = place.answer(want(future(ObjectKind.TABLE, "SELECT", owners=("app_owner",))))

    second = place.answer(GrantWant(NOTHING, first.ledger))

    assert second.executed == (
        'ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "app" REVOKE SELECT ON TABLES FROM "x"',
    )
    assert place.value("select count(*) from pg_default_acl") == 0


def test_an_owner_of_objects_to_come_that_cannot_be_acted_as_is_reported(place: Place) -> None:
    place.sql("grant create on schema app to stranger")

    answer = place.answer(want(future(ObjectKind.TABLE, "SELECT")))

    assert [problem.reason for problem in answer.problems] == [Reason.UNREACHABLE_OWNER]
    assert "'stranger'" in answer.problems[0].message
    assert len(answer.executed) == 1


def test_a_membership_is_granted_kept_and_taken_back(place: Place) -> None:
    place.sql("create role reporting; grant reporting to op with admin option")
    wanted = RoleEntry("reporting", ("x",), inherit=False, set=True, admin=False)
    said = " WITH ADMIN FALSE, INHERIT FALSE, SET TRUE"
    if place.version < 16:
        wanted, said = RoleEntry("reporting", ("x",)), ""  # memberships had no options then

    first = place.answer(want(wanted))
    second = place.answer(want(wanted, ledger=first.ledger))
    third = place.answer(GrantWant(NOTHING, second.ledger))

    assert first.executed == (f'GRANT "reporting" TO "x"{said}',)
    assert first.observed == Observed(desired=1, held=1)
    assert (second.executed, second.problems) == ((), ())
    assert third.executed == ('REVOKE "reporting" FROM "x"',)
    place.sql("drop role reporting")


def test_a_membership_that_closes_a_loop_is_refused_before_any_statement(place: Place) -> None:
    place.sql("create role ring; grant x to ring; grant ring to op with admin option")

    answer = place.answer(want(RoleEntry("ring", ("x",))))

    assert [problem.reason for problem in answer.problems] == [Reason.ROLE_NOT_ALLOWED]
    assert place.sent() == []
    place.sql("drop role ring")


def test_all_is_what_the_server_has_for_the_kind(place: Place) -> None:
    answer = place.answer(want(table("ALL", names=("orders",))))

    latest = ", MAINTAIN" if place.version >= 17 else ""
    assert answer.executed == (
        f'GRANT INSERT, SELECT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER{latest} ON TABLE "app"."orders" TO "x"',
    )


def test_a_revoked_privilege_that_everybody_has_is_said_to_stay(place: Place) -> None:
    first = place.answer(want(objects(ObjectKind.ROUTINE, "EXECUTE", names=("f(integer)",))))

    second = place.answer(GrantWant(NOTHING, first.ledger))

    assert second.residual == (Residual("x", "EXECUTE", "PUBLIC", 1),)
    assert place.answer(GrantWant(NOTHING, first.ledger)).executed == ()


def test_a_grant_option_is_given_and_taken_back_by_itself(place: Place) -> None:
    optional = Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", ("orders",), option=True)

    first = place.answer(want(optional))
    second = place.answer(want(table("SELECT", names=("orders",)), ledger=first.ledger))

    assert first.executed == ('GRANT SELECT ON TABLE "app"."orders" TO "x" WITH GRANT OPTION',)
    assert second.executed == ('REVOKE GRANT OPTION FOR SELECT ON TABLE "app"."orders" FROM "x"',)
    assert place.acl("app.orders") == ["x=r/app_owner"]
