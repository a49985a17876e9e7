"""Rights that a role has by another way count where nothing can be granted, and extensions are left out of `*`."""

import dataclasses

import pytest

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import EVERY, Entry
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.setting import Place
from support.granting.wording import NOTHING, on_database, on_schema, table, want

STATISTICS = "create extension if not exists pg_stat_statements schema public"
HSTORE = "create extension if not exists hstore schema public"
READ_PUBLIC = (
    on_database("CONNECT"),
    on_schema("USAGE", schema="public"),
    Entry(ObjectKind.RELATION, ("x",), ("SELECT",), "public", (EVERY,)),
    Entry(ObjectKind.SEQUENCE, ("x",), ("SELECT",), "public", (EVERY,)),
    *(
        Entry(kind, ("x",), ("SELECT",), "public", future=True, owners=(EVERY,))
        for kind in (ObjectKind.TABLE, ObjectKind.SEQUENCE)
    ),
)
"""What preset read comes to for schema public."""


@pytest.fixture
def strange(place: Place) -> Place:
    """With a table of a role that the operator may not act as."""
    place.sql("grant usage on schema app to x; create table app.alien (id int, note text)")
    place.sql("alter table app.alien owner to stranger")
    return place


def on_alien(*privileges: str) -> GrantWant:
    return want(table(*privileges, names=("alien",)))


def reasons(answer: GrantAnswer) -> list[Reason]:
    return [problem.reason for problem in answer.problems]


def test_reading_a_schema_with_extensions_is_ready_and_leaves_them_out(place: Place) -> None:
    place.sql(f"{STATISTICS}; {HSTORE}; create table public.mine (id int); alter table public.mine owner to app_owner")

    answer = place.answer(want(*READ_PUBLIC))

    assert answer.problems == ()
    assert answer.observed.missing == 0
    assert answer.observed.extended >= 2
    assert place.value("select has_table_privilege('x', 'public.mine', 'SELECT')")
    assert not [text for text in answer.executed if "pg_stat_statements" in text]


def test_routines_and_types_of_extensions_are_left_out_too(place: Place) -> None:
    place.sql(HSTORE)
    every = [Entry(kind, ("x",), (privilege,), "public", (EVERY,)) for kind, privilege in OF_HSTORE]

    answer = place.answer(want(*every))

    assert (answer.problems, answer.executed, answer.observed.desired) == ((), (), 0)
    assert answer.observed.extended > 50


OF_HSTORE = ((ObjectKind.ROUTINE, "EXECUTE"), (ObjectKind.TYPE, "USAGE"))


@pytest.mark.parametrize(
    ("kind", "name", "privilege"),
    [
        (ObjectKind.VIEW, "pg_stat_statements", "SELECT"),
        (ObjectKind.ROUTINE, "hstore_to_json(public.hstore)", "EXECUTE"),
        (ObjectKind.TYPE, "hstore", "USAGE"),
    ],
)
def test_what_everybody_has_of_an_extension_is_held_when_it_is_named(
    place: Place, kind: ObjectKind, name: str, privilege: str
) -> None:
    place.sql(f"{STATISTICS}; {HSTORE}")

    answer = place.answer(want(Entry(kind, ("x",), (privilege,), "public", (name,))))

    assert (answer.problems, answer.executed, answer.observed.held) == ((), (), 1)


def test_a_database_of_a_role_out_of_reach_needs_no_grant_of_what_everybody_has(place: Place) -> None:
    place.sql(f"alter database {place.name} owner to stranger")

    assert place.answer(want(on_database("CONNECT"))).problems == ()
    assert reasons(place.answer(want(on_database("CREATE")))) == [Reason.UNREACHABLE_OWNER]


def test_what_everybody_has_counts_until_it_is_taken_from_them(strange: Place) -> None:
    strange.sql("grant select on app.alien to public")
    assert strange.answer(on_alien("SELECT")).problems == ()

    strange.sql("revoke select on app.alien from public")

    assert reasons(strange.answer(on_alien("SELECT"))) == [Reason.UNREACHABLE_OWNER]


def test_what_a_group_has_counts_for_its_members_that_inherit_and_for_no_others(strange: Place) -> None:
    strange.sql("create role readers; create role above; grant above to readers; grant select on app.alien to above")
    strange.sql("grant readers to x; grant readers to y" + (" with inherit false" if strange.version >= 16 else ""))
    strange.sql("" if strange.version >= 16 else "alter role y noinherit")

    inherits = strange.answer(on_alien("SELECT"))
    does_not = strange.answer(want(table("SELECT", to=("y",), names=("alien",))))

    assert (inherits.problems, inherits.executed) == ((), ())
    assert reasons(does_not) == [Reason.UNREACHABLE_OWNER]
    strange.sql("drop owned by above; drop role readers, above; alter role y inherit")


def test_who_inherits_from_the_owner_has_everything(strange: Place) -> None:
    strange.sql("grant stranger to x")

    assert strange.answer(on_alien("SELECT", "TRUNCATE")).problems == ()
    strange.sql("revoke stranger from x")


@pytest.mark.parametrize("given", ["select (note) on app.alien to public", "select on app.alien to public"])
def test_what_everybody_has_on_a_column_or_its_whole_table_counts_for_the_column(strange: Place, given: str) -> None:
    strange.sql(f"grant {given}")
    column = Entry(ObjectKind.COLUMN, ("x",), ("SELECT",), "app", ("alien",), columns=("note",))

    answer = strange.answer(want(column))

    assert (answer.problems, answer.executed) == ((), ())


def test_where_the_owner_is_within_reach_a_right_of_its_own_is_granted(place: Place) -> None:
    place.sql("set role app_owner; grant select on app.orders to public")

    answer = place.answer(want(table("SELECT", names=("orders",))))

    assert answer.executed == ('GRANT SELECT ON TABLE "app"."orders" TO "x"',)


def test_what_was_granted_on_a_table_that_an_extension_took_over_is_taken_back(place: Place) -> None:
    place.sql(HSTORE)
    granted = place.answer(want(table("SELECT")))
    place.sql("alter extension hstore add table app.orders")

    still = place.answer(want(table("SELECT"), ledger=granted.ledger))
    assert (still.problems, still.observed.extended, still.observed.desired) == ((), 1, 1)

    gone = place.answer(GrantWant(NOTHING, still.ledger))
    assert (gone.problems, gone.ledger, place.acl("app.orders")) == ((), frozenset(), [])


def test_taking_from_everybody_leaves_extensions_out(place: Place) -> None:
    place.sql(f"{HSTORE}; create function public.mine() returns int language sql as 'select 1'")
    place.sql("alter function public.mine() owner to app_owner")
    taken = (Entry(ObjectKind.ROUTINE, (), ("EXECUTE",), "public", (EVERY,)),)

    answer = place.answer(dataclasses.replace(want(), entries=dataclasses.replace(NOTHING, public=taken)))

    assert answer.problems == ()
    assert answer.executed == ('REVOKE EXECUTE ON FUNCTION "public"."mine"() FROM PUBLIC',)


def test_a_creator_that_nobody_can_be_is_waited_for_only_once_it_has_made_something(place: Place) -> None:
    place.sql("create role cloudsqlagent; grant usage, create on schema app to cloudsqlagent")
    future = Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", future=True, owners=(EVERY,))
    first = place.answer(want(table("SELECT"), future))
    assert first.problems == ()

    place.sql("set role cloudsqlagent; create table app.theirs (id int)")

    assert set(reasons(place.answer(want(table("SELECT"), future)))) == {Reason.UNREACHABLE_OWNER}
    place.sql("drop owned by cloudsqlagent; drop role cloudsqlagent")


def test_reading_public_is_ready_in_a_database_of_the_provider_as_it_comes(place: Place) -> None:
    place.sql(f"create role cloudsqlagent; alter database {place.name} owner to cloudsqlagent")
    place.sql("alter schema public owner to cloudsqlagent" if place.version < 15 else "")
    place.sql("grant create on schema public to cloudsqlagent")

    answer = place.answer(want(*READ_PUBLIC))

    assert (answer.problems, answer.observed.missing) == ((), 0)
    place.sql(f"alter database {place.name} owner to app_owner; reassign owned by cloudsqlagent to app_owner")
    place.sql("drop owned by cloudsqlagent; drop role cloudsqlagent")
