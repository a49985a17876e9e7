"""What was there before an object declared it, and is in nobody's record, is found: no deletion takes it."""

from dataclasses import replace

import pytest

from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.core.grants.caused.found import NAMED
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entry, RoleEntry
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.setting import Place
from support.granting.wording import NOTHING, key, objects, on_database, on_schema, table, want

BY_HAND = {
    "a table": ("grant select on app.orders to x", table("SELECT"), "has_table_privilege('x', 'app.orders', 'SELECT')"),
    "a named table": (
        "grant select on app.orders to x",
        table("SELECT", names=("orders", "items")),
        "has_table_privilege('x', 'app.orders', 'SELECT')",
    ),
    "a column": (
        "grant update (note) on app.orders to x",
        Entry(ObjectKind.COLUMN, ("x",), ("UPDATE",), "app", ("orders",), columns=("id", "note")),
        "has_column_privilege('x', 'app.orders', 'note', 'UPDATE')",
    ),
    "a schema": ("grant usage on schema app to x", on_schema("USAGE"), "has_schema_privilege('x', 'app', 'USAGE')"),
    "the database": (
        "grant create on database {database} to x",
        on_database("CREATE"),
        "has_database_privilege('x', current_database(), 'CREATE')",
    ),
    "a sequence": (
        "grant usage on sequence app.numbers to x",
        objects(ObjectKind.SEQUENCE, "USAGE"),
        "has_sequence_privilege('x', 'app.numbers', 'USAGE')",
    ),
    "a routine": (
        "revoke execute on function app.f(text) from public; grant execute on function app.f(text) to x",
        objects(ObjectKind.ROUTINE, "EXECUTE"),
        "has_function_privilege('x', 'app.f(text)', 'EXECUTE')",
    ),
    "a type": (
        "revoke usage on type app.state from public; grant usage on type app.state to x",
        objects(ObjectKind.TYPE, "USAGE"),
        "has_type_privilege('x', 'app.state', 'USAGE')",
    ),
    "default privileges": (
        "alter default privileges for role app_owner in schema app grant insert on tables to x",
        Entry(ObjectKind.TABLE, ("x",), ("INSERT",), "app", future=True, owners=("app_owner",)),
        "exists (select from pg_default_acl where defaclacl::text like '%x=a/%')",
    ),
}


def ended(place: Place, answer: GrantAnswer) -> GrantAnswer:
    """The answer once the object wants nothing any more."""
    return place.answer(GrantWant(NOTHING, answer.ledger, found=answer.found))


@pytest.mark.parametrize("what", BY_HAND)
def test_what_was_given_by_hand_before_it_was_declared_outlives_the_object(place: Place, what: str) -> None:
    grant, entry, holds = BY_HAND[what]
    place.sql(f"alter database {place.name} owner to app_owner")
    place.sql(f"set role app_owner; {grant.format(database=place.name)}")

    answer = place.through(want(entry))

    assert (answer.problems, answer.found_privileges) == ((), 1)
    left = ended(place, answer)
    assert (left.ledger, left.found) == (frozenset(), answer.found)
    assert place.value(f"select {holds}") is True


@pytest.mark.parametrize("what", [what for what in BY_HAND if what != "the database"])
def test_what_nobody_had_given_before_goes_with_the_object(place: Place, what: str) -> None:
    grant, entry, holds = BY_HAND[what]
    place.sql("".join(f"{part};" for part in grant.split(";") if part.startswith("revoke")) or "select")

    answer = place.through(want(entry))

    assert (answer.found, answer.found_privileges) == (frozenset(), 0)
    assert place.value(f"select {holds}") is True
    assert ended(place, answer).ledger == frozenset()
    assert place.value(f"select {holds}") is False


def test_beside_what_was_found_the_rest_of_an_entry_is_taken_back(place: Place) -> None:
    place.sql("set role app_owner; grant select on app.orders to x")

    answer = place.through(want(table("SELECT", "INSERT")))
    ended(place, answer)

    assert place.acl("app.orders") == ["x=r/app_owner"]
    assert place.acl("app.items") == []


def test_a_membership_that_was_there_outlives_the_object_that_declares_it(place: Place) -> None:
    place.sql("create role shared nologin; grant shared to op with admin option; grant shared to x")
    try:
        answer = place.through(want(RoleEntry("shared", ("x", "y"))))
        ended(place, answer)

        members = "select array(select member::regrole::text from pg_auth_members where roleid = 'shared'::regrole)"
        assert sorted(place.value(members)) == ["op", "x"]
    finally:
        place.sql("drop role shared")


def test_what_another_object_caused_is_not_found_and_goes_with_the_last_of_them(place: Place) -> None:
    first = place.through(want(table("SELECT", names=("orders",))))
    other = {key("other"): first.ledger}

    second = place.through(want(table("SELECT", names=("orders",))), other)

    assert second.found == frozenset()
    ended(place, second)
    assert place.acl("app.orders") == []


def test_what_another_object_only_found_is_found_again(place: Place) -> None:
    place.sql("set role app_owner; grant select on app.orders to x")
    first = place.through(want(table("SELECT", names=("orders",))))
    wants = {
        key("first"): replace(want(table("SELECT", names=("orders",))), ledger=first.ledger, found=first.found),
        key("second"): want(table("SELECT", names=("orders",))),
    }

    answer = place.run(wants).answers[key("second")]

    assert isinstance(answer, GrantAnswer)
    assert answer.found == first.found
    ended(place, answer)
    assert place.acl("app.orders") == ["x=r/app_owner"]


def test_what_was_found_and_is_given_again_after_somebody_took_it_is_caused(place: Place) -> None:
    place.sql("set role app_owner; grant select on app.orders to x")
    answer = place.through(want(table("SELECT", names=("orders",))))
    place.sql("set role app_owner; revoke select on app.orders from x")

    wanted = replace(want(table("SELECT", names=("orders",))), ledger=answer.ledger, found=answer.found)
    again = place.answer(wanted)

    assert (again.granted, again.found) == (1, frozenset())
    ended(place, again)
    assert place.acl("app.orders") == []


def test_more_than_a_record_can_name_are_found_as_a_whole_and_none_is_taken(place: Place) -> None:
    tables = "".join(f"create table app.t{n} (id integer);" for n in range(NAMED + 1))
    place.sql(
        f"set role app_owner; {tables} grant select on all tables in schema app to x; revoke all on app.t7 from x"
    )

    answer = place.through(want(table("SELECT")))
    ended(place, answer)

    assert [entry.names for entry in answer.found if entry.kind == "Table"] == [("*",)]
    assert place.acl("app.t7") == ["x=r/app_owner"]


def test_a_withdrawn_grant_takes_nothing_that_was_found(place: Place) -> None:
    place.sql("set role app_owner; grant select on app.orders to x")
    answer = place.through(want(table("SELECT", "INSERT"), how=Enforcement.ADDITIVE))

    ended(place, answer)

    assert place.acl("app.orders") == ["x=r/app_owner"]
