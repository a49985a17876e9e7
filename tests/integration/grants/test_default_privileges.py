"""Objects to come, and what default privileges put on them once they came, on a real PostgreSQL."""

from typing import LiteralString

import pytest

from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entries, Entry
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.setting import Place, Setting
from support.granting.wording import NOTHING, declared, key, objects, on_schema, table, want

MADE: dict[str, tuple[ObjectKind, LiteralString, str]] = {
    "table": (ObjectKind.TABLE, "create table app.later (id integer)", "SELECT"),
    "partitioned table": (ObjectKind.TABLE, "create table app.later (id integer) partition by list (id)", "SELECT"),
    "foreign table": (
        ObjectKind.TABLE,
        "reset role; create foreign data wrapper w; create server s foreign data wrapper w;"
        "grant usage on foreign server s to app_owner; set role app_owner;"
        "create foreign table app.later (id integer) server s",
        "SELECT",
    ),
    "view": (ObjectKind.TABLE, "create view app.later as select 1 as one", "INSERT"),
    "materialized view": (ObjectKind.TABLE, "create materialized view app.later as select 1 as one", "SELECT"),
    "sequence": (ObjectKind.SEQUENCE, "create sequence app.later", "USAGE"),
    "identity column": (ObjectKind.SEQUENCE, "create table app.later (id int generated always as identity)", "SELECT"),
    "function": (ObjectKind.ROUTINE, "create function app.later() returns int language sql as 'select 1'", "EXECUTE"),
    "procedure": (ObjectKind.ROUTINE, "create procedure app.later() language sql as 'select 1'", "EXECUTE"),
    "aggregate": (ObjectKind.ROUTINE, "create aggregate app.later(int) (sfunc = int4pl, stype = int)", "EXECUTE"),
    "enum": (ObjectKind.TYPE, "create type app.later as enum ('a')", "USAGE"),
    "composite type": (ObjectKind.TYPE, "create type app.later as (id integer)", "USAGE"),
    "domain": (ObjectKind.TYPE, "create domain app.later as integer", "USAGE"),
    "range": (ObjectKind.TYPE, "create type app.later as range (subtype = integer)", "USAGE"),
}
"""What default privileges reach: their kind, how such an object is made, and a privilege."""

NAMING_X = """
select array(
    select pg_describe_object(classid, objid, objsubid) from pg_shdepend
    where refobjid = '{0}'::regrole and dbid = (select oid from pg_database where datname = current_database())
    order by 1
)
"""
"""What in the database names a role, by whatever catalog."""


def to_come(kind: ObjectKind, *privileges: str, schema: str = "app", owners: tuple[str, ...] = ("*",)) -> Entry:
    return Entry(kind, ("x",), tuple(sorted(privileges)), schema, future=True, owners=owners)


def naming(place: Place, role: str = "x") -> list[str]:
    found: list[str] = place.value(NAMING_X.format(role))
    return found


def then(place: Place, before: GrantAnswer, *entries: Entry) -> GrantAnswer:
    """The next pass, for an object that declares these entries now."""
    return place.answer(want(*entries, ledger=before.ledger))


@pytest.mark.parametrize("what", MADE)
def test_what_default_privileges_put_on_an_object_goes_with_the_entry(place: Place, what: str) -> None:
    kind, text, privilege = MADE[what]
    first = place.answer(want(to_come(kind, privilege)))
    place.sql("set role app_owner; " + text)
    made = naming(place)
    while_declared = then(place, first, to_come(kind, privilege))

    last = then(place, while_declared)

    assert len(made) > 1, "the default privileges and an object name the role"
    assert while_declared.executed == ()
    assert (naming(place), last.problems, last.ledger) == ([], (), frozenset())


@pytest.mark.parametrize("owners", [("*",), ("app_owner", "stranger")])
def test_what_a_former_creator_was_to_give_is_taken_back(setting: Setting, owners: tuple[str, ...]) -> None:
    place = setting.place(("app_owner", "stranger"))
    place.sql("grant stranger to op; grant create, usage on schema app to stranger")
    first = place.answer(want(to_come(ObjectKind.TABLE, "SELECT", owners=owners)))
    place.sql("revoke create on schema app from stranger")

    last = then(place, first)
    place.sql("revoke stranger from op")

    assert (naming(place), last.problems, last.ledger) == ([], (), frozenset())


def test_where_a_wildcard_says_what_views_have_the_rest_is_taken_from_later_ones(place: Place) -> None:
    entries = (
        objects(ObjectKind.RELATION, "SELECT"),
        table("DELETE", "INSERT"),
        to_come(ObjectKind.TABLE, "DELETE", "INSERT", "SELECT"),
    )
    first = place.answer(want(*entries))
    place.sql("set role app_owner; create view app.later as select 1 as one; create table app.table_later ()")

    second = then(place, first, *entries)

    assert second.executed == ('REVOKE INSERT, DELETE ON TABLE "app"."later" FROM "x"',)
    assert place.acl("app.later") == ["x=r/app_owner"]
    assert place.acl("app.table_later") == ["x=ard/app_owner"]
    assert second.notes == (
        "what `future` gives each new MaterializedView beyond what `*` declares (DELETE, INSERT) holds until the next"
        " pass takes it back",
        "what `future` gives each new View beyond what `*` declares (DELETE, INSERT) holds until the next pass takes"
        " it back",
    )


@pytest.mark.parametrize("with_future", [True, False])
def test_what_except_leaves_out_is_taken_from_objects_that_get_such_a_name(place: Place, with_future: bool) -> None:
    every = Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", ("*",), excluded=("pii_*",))
    entries = (every, to_come(ObjectKind.TABLE, "SELECT")) if with_future else (every,)
    first = place.answer(want(*entries))
    place.sql("set role app_owner; create table app.pii_new (); alter table app.items rename to pii_items")

    planned = place.answer(GrantWant(declared(*entries), first.ledger, dry=True))
    second = then(place, first, *entries)

    assert planned.observed.excess == (2 if with_future else 1)
    assert [
        place.value(f"select has_table_privilege('x', 'app.pii_{name}', 'SELECT')") for name in ("new", "items")
    ] == [
        False,
        False,
    ]
    assert (second.problems, second.observed.excess) == ((), 0)


def test_a_table_that_got_an_excepted_name_since_the_last_pass_is_taken_back_by_the_deletion(place: Place) -> None:
    every = Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", ("*",), excluded=("pii_*",))
    first = place.answer(want(every))
    place.sql("alter table app.items rename to pii_items")

    then(place, first)

    assert naming(place) == []


def test_what_one_object_takes_back_another_may_declare_still(place: Place) -> None:
    future = to_come(ObjectKind.TABLE, "SELECT")
    passed = place.run({key("a"): want(future), key("b"): want(future)})
    place.sql("set role app_owner; create view app.later as select 1 as one")
    ledger = passed.answers[key("a")]
    assert isinstance(ledger, GrantAnswer)

    place.run({key("a"): GrantWant(NOTHING, ledger.ledger), key("b"): want(future, ledger=ledger.ledger)})

    assert place.acl("app.later") == ["x=r/app_owner"]


def test_additive_takes_nothing_back_and_says_so(place: Place) -> None:
    every = Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", ("*",), excluded=("pii_*",))
    entries = (every, to_come(ObjectKind.TABLE, "SELECT"))
    first = place.answer(want(*entries, how=Enforcement.ADDITIVE))
    place.sql("set role app_owner; create table app.pii_new ()")

    second = place.answer(want(*entries, ledger=first.ledger, how=Enforcement.ADDITIVE))

    assert second.executed == ()
    assert second.notes == (
        "what `future` gives each new Table beyond what `*` declares (SELECT) holds and stays, for enforcement Additive"
        " takes nothing back",
    )


def test_default_privileges_for_all_schemas_are_given_and_taken_with_what_they_reached(place: Place) -> None:
    owners = ("app_owner",)
    entries = (
        to_come(ObjectKind.TABLE, "SELECT", schema="", owners=owners),
        to_come(ObjectKind.ROUTINE, "EXECUTE", schema="", owners=owners),
        to_come(ObjectKind.SCHEMA, "USAGE", schema="", owners=owners),
    )
    place.sql(f"grant create on database {place.name} to app_owner")

    first = place.answer(want(*entries))
    place.sql(
        "set role app_owner; create schema fresh; create view fresh.v as select 1 as one; create table app.later ();"
        "create function fresh.f() returns int language sql as 'select 1'"
    )
    reached = naming(place)
    last = then(place, first)

    assert first.executed == (
        'ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" GRANT USAGE ON SCHEMAS TO "x"',
        'ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" GRANT SELECT ON TABLES TO "x"',
        'ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" GRANT EXECUTE ON ROUTINES TO "x"',
    )
    assert len(reached) == 7
    assert (naming(place), last.problems, last.ledger) == ([], (), frozenset())


def test_default_privileges_of_one_schema_and_of_all_are_two_statements(place: Place) -> None:
    entries = [to_come(ObjectKind.TABLE, "SELECT", schema=name, owners=("app_owner",)) for name in ("", "app")]

    answer = place.answer(want(*entries))

    assert answer.executed == (
        'ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" GRANT SELECT ON TABLES TO "x"',
        'ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "app" GRANT SELECT ON TABLES TO "x"',
    )


def test_large_objects_to_come_are_reached_where_the_server_can(place: Place) -> None:
    entry = to_come(ObjectKind.LARGE_OBJECT, "SELECT", schema="", owners=("app_owner",))
    first = place.answer(want(entry))
    place.sql("set role app_owner; select lo_create(4711)")
    reached = naming(place)

    last = then(place, first)

    if place.version < 18:
        assert [(problem.reason, problem.message) for problem in first.problems] == [
            (
                Reason.INVALID_SPEC,
                f"PostgreSQL {place.version} has no default privileges for LargeObject: take it out",
            )
        ]
        return
    assert reached[-1] == "large object 4711"
    assert (naming(place), last.ledger) == ([], frozenset())


def test_exclusive_sweeps_default_privileges_for_all_schemas(place: Place) -> None:
    place.sql("alter default privileges for role app_owner grant select on tables to x")

    answer = place.answer(want(on_schema("USAGE"), how=Enforcement.EXCLUSIVE))

    assert answer.executed[-1] == 'ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" REVOKE SELECT ON TABLES FROM "x"'
    assert answer.notes == ()


def test_default_privileges_for_all_schemas_that_nobody_declares_are_said(place: Place) -> None:
    place.sql("alter default privileges for role app_owner grant select, insert on tables to x")

    answer = place.answer(want(on_schema("USAGE")))

    assert answer.notes == (
        "default privileges of 'app_owner' for all schemas, which nobody declares, give 'x' INSERT, SELECT on each new"
        " Table",
    )


@pytest.mark.parametrize("held_before", [True, False])
def test_everybody_loses_what_it_has_on_routines_and_types_to_come(place: Place, held_before: bool) -> None:
    kinds = (ObjectKind.ROUTINE, "EXECUTE"), (ObjectKind.TYPE, "USAGE")
    entries = Entries(public=tuple(Entry(k, (), (p,), future=True, owners=("app_owner",)) for k, p in kinds))
    if held_before:
        place.sql("alter default privileges for role app_owner grant execute on routines to y")

    first = place.answer(GrantWant(entries))
    second = place.answer(GrantWant(entries, first.ledger))
    place.sql(
        "set role app_owner; create function app.later() returns int language sql as 'select 1';"
        "create type app.later_state as enum ('a')"
    )

    assert first.executed == (
        'ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" REVOKE EXECUTE ON ROUTINES FROM PUBLIC',
        'ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" REVOKE USAGE ON TYPES FROM PUBLIC',
    )
    assert (second.executed, second.problems) == ((), ())
    assert place.value("select has_function_privilege('x', 'app.later()', 'EXECUTE')") is False
    assert place.value("select has_type_privilege('x', 'app.later_state', 'USAGE')") is False


def test_who_creates_in_a_schema_of_the_databases_owner_is_that_owner(place: Place) -> None:
    entry = to_come(ObjectKind.TABLE, "SELECT", schema="public")
    place.sql(f"alter schema public owner to pg_database_owner; alter database {place.name} owner to app_owner")

    answer = place.answer(want(entry))
    place.sql("set role app_owner; create table public.first ()")

    assert answer.problems == ()
    assert place.acl("public.first") == ["x=r/app_owner"]


def test_an_owner_of_the_database_out_of_reach_is_named_with_what_can_be_done(place: Place) -> None:
    place.sql(f"alter schema public owner to pg_database_owner; alter database {place.name} owner to stranger")
    place.sql("revoke create on schema public from public")

    answer = place.answer(want(on_schema("CREATE", schema="public")))

    assert [problem.message for problem in answer.problems] == [
        "1 object(s) belong to whoever owns the database, which is role 'stranger', whom the operator may not act as:"
        " make its database user a member of that role and name it in the instance's ownerRoles"
    ]
