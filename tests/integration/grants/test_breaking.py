"""What overlaps, moves, changes hands or is odd in kind, on a real PostgreSQL."""

import pytest

from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.api.parsing.objects import InvalidObject, parse_grant
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entry, RoleEntry, entries_of
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer, Passed
from support.granting.setting import Place, Setting
from support.granting.wording import NOTHING, caused, key, objects, on_schema, table, want


def columns(*names: str, of: str) -> Entry:
    return Entry(ObjectKind.COLUMN, ("x",), ("SELECT",), "app", (of,), columns=tuple(sorted(names)))


def without(*excluded: str) -> Entry:
    return Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", ("*",), excluded)


def said(passed: Passed, name: str) -> GrantAnswer:
    answer = passed.answers[key(name)]
    assert isinstance(answer, GrantAnswer), answer
    return answer


def test_what_one_object_leaves_out_another_may_grant(place: Place) -> None:
    place.sql("set role app_owner; create table app.secrets ()")
    a, b = want(without("secrets", "items")), want(without("secrets", "orders"))

    place.run({key("a"): a, key("b"): b})
    passed = place.run({key("a"): GrantWant(NOTHING, caused(*a.entries.privileges)), key("b"): b})

    assert said(passed, "a").executed == ('REVOKE SELECT ON TABLE "app"."orders" FROM "x"',)
    assert (place.acl("app.items"), place.acl("app.secrets")) == (["x=r/app_owner"], [])


def test_columns_are_narrowed_one_by_one(place: Place) -> None:
    first = place.answer(want(columns("id", "country", of="orders")))

    second = place.answer(want(columns("id", of="orders"), ledger=first.ledger))

    assert second.executed == ('REVOKE SELECT ("country") ON TABLE "app"."orders" FROM "x"',)


@pytest.mark.parametrize("columns_first", [True, False])
def test_a_column_stays_readable_when_the_right_on_its_table_goes(place: Place, columns_first: bool) -> None:
    whole, part = want(table("SELECT", names=("orders",))), want(columns("id", of="orders"))
    if columns_first:
        place.run({key("b"): part})
    place.run({key("a"): whole, key("b"): part})

    passed = place.run({key("a"): GrantWant(NOTHING, caused(*whole.entries.privileges)), key("b"): part})

    assert (said(passed, "a").problems, said(passed, "b").problems) == ((), ())
    can = "select has_column_privilege('x', 'app.orders', '{}', 'SELECT')"
    assert [place.value(can.format(name)) for name in ("id", "note")] == [True, False]


def test_default_privileges_reach_an_owner_that_appears_later(setting: Setting) -> None:
    place = setting.place(owner_roles=("app_owner", "d"))
    wanted = want(Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", future=True, owners=("*",)))
    first = place.run({key("a"): wanted})
    place.sql("grant d to op; grant create on schema app to d")

    second = place.run({key("a"): wanted}, memory=first.memory)

    assert said(second, "a").executed == (
        'ALTER DEFAULT PRIVILEGES FOR ROLE "d" IN SCHEMA "app" GRANT SELECT ON TABLES TO "x"',
    )
    place.sql("revoke d from op")


def test_a_role_that_was_made_anew_is_granted_again(place: Place) -> None:
    place.sql("create role again")
    wanted = want(table("SELECT", to=("again",), names=("orders",)))
    first = place.run({key("a"): wanted})
    place.run({key("a"): wanted}, memory=first.memory)
    place.sql("drop owned by again; drop role again; create role again")

    third = place.run({key("a"): wanted}, memory=first.memory)

    assert said(third, "a").executed == ('GRANT SELECT ON TABLE "app"."orders" TO "again"',)
    place.sql("drop owned by again; drop role again")


def test_a_renamed_role_keeps_what_it_has_and_its_name_is_waited_for(place: Place) -> None:
    place.sql("create role early")
    wanted = want(table("SELECT", to=("early",), names=("orders",)))
    first = place.run({key("a"): wanted})
    place.sql("alter role early rename to late")

    second = place.run({key("a"): wanted}, memory=first.memory)

    assert [problem.reason for problem in said(second, "a").problems] == [Reason.ROLE_NOT_FOUND]
    assert place.acl("app.orders") == ["late=r/app_owner"]
    place.sql("drop owned by late; drop role late")


def test_what_was_granted_is_taken_back_after_the_table_changed_hands(setting: Setting) -> None:
    place = setting.place(owner_roles=("app_owner", "d"))
    place.sql("grant d to op; grant usage on schema app to d")
    first = place.answer(want(table("SELECT", names=("orders",))))
    place.sql("alter table app.orders owner to d")

    kept = place.answer(want(table("SELECT", names=("orders",)), ledger=first.ledger))
    gone = place.answer(GrantWant(NOTHING, first.ledger))

    assert (kept.executed, kept.problems) == ((), ())
    assert gone.executed == ('REVOKE SELECT ON TABLE "app"."orders" FROM "x"',)
    place.sql("revoke d from op")


def test_a_table_that_moved_into_the_schema_is_granted(place: Place) -> None:
    place.sql("create schema side authorization app_owner; set role app_owner; create table side.moved ()")
    wanted = want(table("SELECT"))
    first = place.run({key("a"): wanted})
    place.sql("alter table side.moved set schema app")

    second = place.run({key("a"): wanted}, memory=first.memory)

    assert said(second, "a").executed == ('GRANT SELECT ON TABLE "app"."moved" TO "x"',)


def test_a_grant_option_that_only_one_wants_goes_with_it(place: Place) -> None:
    optional = Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", ("items",), option=True)
    plain = table("SELECT", names=("items",))
    place.run({key("a"): want(optional), key("b"): want(plain)})

    place.run({key("a"): GrantWant(NOTHING, caused(optional)), key("b"): want(plain)})

    assert place.acl("app.items") == ["x=r/app_owner"]


def test_settings_of_the_operators_role_change_nothing(place: Place) -> None:
    settings = (
        "search_path = app, public",
        "default_transaction_isolation = 'serializable'",
        "standard_conforming_strings = off",
        "quote_all_identifiers = on",
        "client_encoding = 'LATIN1'",
        "row_security = off",
        "default_transaction_deferrable = on",
    )
    for setting in settings:
        place.sql(f"alter role op in database {place.name} set {setting}")
    place.sql('set role app_owner; create table app."sn\u96eaow\\" ()')

    answer = place.answer(want(table("SELECT"), objects(ObjectKind.ROUTINE, "EXECUTE", names=("f(integer)",))))

    assert answer.problems == ()
    assert place.acl('app."sn\u96eaow\\"') == ["x=r/app_owner"]
    assert place.answer(want(table("SELECT"))).executed == ()


def test_foreign_and_partitioned_tables_are_tables(place: Place) -> None:
    place.sql(
        "create foreign data wrapper w; create server away foreign data wrapper w;"
        "create foreign table app.far () server away; alter foreign table app.far owner to app_owner;"
        "set role app_owner; create unlogged table app.quick ();"
        "create table app.parts (id int) partition by range (id)"
    )

    answer = place.answer(want(table("SELECT")))

    assert answer.problems == ()
    for name in ("far", "parts", "quick"):
        assert place.acl(f"app.{name}") == ["x=r/app_owner"]


def test_a_range_and_its_multirange_under_a_wildcard_converge(place: Place) -> None:
    place.sql("set role app_owner; create type app.span as range (subtype = float8)")

    first = place.answer(want(objects(ObjectKind.TYPE, "USAGE")))
    second = place.answer(want(objects(ObjectKind.TYPE, "USAGE"), ledger=first.ledger))
    third = place.answer(GrantWant(NOTHING, second.ledger))

    assert (first.problems, second.problems, second.executed, third.problems) == ((), (), (), ())
    assert place.value("select coalesce(typacl::text, '') like '%x=U%' from pg_type where typname = 'span'") is False


def test_aggregates_and_window_functions_are_routines(place: Place) -> None:
    place.sql(
        "set role app_owner; create aggregate app.total(int) (sfunc = int4pl, stype = int, initcond = '0');"
        "create function app.keep(int[], int) returns int[] language sql as 'select $1';"
        "create function app.last(int[], int) returns int language sql as 'select $2';"
        "create aggregate app.ordered(int order by int) (sfunc = app.keep, stype = int[], finalfunc = app.last);"
        "create function app.many(variadic int[]) returns int language sql as 'select 1';"
        "create function app.rows(out a int, out b text) returns setof record language sql as 'select 1, ''a''';"
    )
    wanted = want(objects(ObjectKind.ROUTINE, "EXECUTE"))

    first = place.answer(wanted)
    second = place.answer(wanted)

    assert (first.problems, second.problems, second.executed) == ((), (), ())
    assert place.value("select proacl::text like '%x=X/%' from pg_proc where proname = 'ordered'")


def test_a_grantee_that_owns_some_objects_is_granted_the_others(place: Place) -> None:
    place.sql("create table app.own (); alter table app.own owner to x")
    wanted = want(table("SELECT"), on_schema("USAGE"), how=Enforcement.EXCLUSIVE)

    first = place.answer(wanted)
    second = place.answer(GrantWant(wanted.entries, first.ledger, Enforcement.EXCLUSIVE))
    gone = place.answer(GrantWant(NOTHING, second.ledger))

    assert (first.problems, second.executed, gone.problems) == ((), (), ())
    assert place.value("select has_table_privilege('x', 'app.own', 'DELETE')")
    assert (
        place.value(
            "select count(*) from pg_class, aclexplode(relacl) a where a.grantee = 'x'::regrole"
            " and relowner <> 'x'::regrole"
        )
        == 0
    )


def test_a_schema_that_was_made_anew_under_its_name_is_granted(place: Place) -> None:
    wanted = want(on_schema("USAGE"), table("SELECT"))
    first = place.run({key("a"): wanted})
    place.sql(
        "alter schema app rename to old; create schema app authorization app_owner; set role app_owner;"
        "create table app.orders ()"
    )

    second = place.run({key("a"): wanted}, memory=first.memory)

    assert said(second, "a").executed == (
        'GRANT USAGE ON SCHEMA "app" TO "x"',
        'GRANT SELECT ON TABLE "app"."orders" TO "x"',
    )


def test_exclusive_takes_rights_on_columns_that_nobody_declares(place: Place) -> None:
    place.sql("set role app_owner; grant update (note) on app.orders to x")

    first = place.answer(want(table("SELECT"), how=Enforcement.EXCLUSIVE))
    second = place.answer(want(table("SELECT"), how=Enforcement.EXCLUSIVE))

    assert (first.problems, second.executed) == ((), ())
    assert not place.value("select has_column_privilege('x', 'app.orders', 'note', 'UPDATE')")


def test_a_grant_of_two_grantors_is_exclusively_taken_from_both(setting: Setting) -> None:
    place = setting.place(owner_roles=("app_owner", "d"))
    place.sql(
        "grant d to op; grant usage on schema app to d; set role app_owner;"
        "grant insert on app.orders to d with grant option; grant insert on app.orders to x with grant option;"
        "set role d; grant insert on app.orders to x with grant option"
    )

    answer = place.answer(want(table("SELECT", names=("orders",)), how=Enforcement.EXCLUSIVE))

    assert answer.problems == ()
    assert place.acl("app.orders") == ["d=a*/app_owner", "x=r/app_owner"]
    place.sql("revoke d from op")


def test_a_role_whose_name_has_a_nul_is_refused_and_the_role_before_it_is_untouched(place: Place) -> None:
    place.sql("create role a")
    about = {"name": "g", "namespace": "team", "uid": "u", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    entry = {"kind": "Table", "schema": "app", "names": ["*"], "privileges": ["SELECT"]}
    spec = {"instanceRef": {"name": "o"}, "database": "o", "grantees": [{"role": "a\0b"}], "grants": [entry]}
    read = parse_grant({"metadata": about, "spec": {**spec, "grantees": [{"role": "a"}]}})

    with pytest.raises(InvalidObject, match="is not a database role"):
        parse_grant({"metadata": about, "spec": spec})
    with pytest.raises(Refused, match="has control characters"):
        entries_of(read, dict.fromkeys(read.grantees, "a\0b"))
    with pytest.raises(NotYet, match="NUL"):
        place.answer(want(table("SELECT", to=("a\0b",)), RoleEntry("app_owner", ("a\0b",))))

    assert (place.sent(), place.acl("app.orders")) == ([], [])
    assert place.value("select count(*) from pg_auth_members where member = 'a'::regrole") == 0
    place.sql("drop role a")
