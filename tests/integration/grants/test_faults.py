"""What one object, one name or one row of a catalog does wrong stops no other object of the database."""

import dataclasses
from typing import cast

import pytest

from cloudsql_iam_operator.adapters.postgres.inspection import each
from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entry
from cloudsql_iam_operator.core.grants.desired.ledger import AppliedEntry
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.setting import Place, Setting
from support.granting.wording import NOTHING, caused, key, on_database, on_schema, table, want

UNKNOWN = cast("ObjectKind", "Bogus")
"""A kind that this release does not know; a fault of ours would do the same."""
STRANGE = dataclasses.replace(table("SELECT"), kind=UNKNOWN)
ON_RECORD = frozenset({AppliedEntry("Bogus", ("x",), ("SELECT",), "app", ("orders",))})


def on_columns(*privileges: str, columns: tuple[str, ...], names: tuple[str, ...] = ("numbers",)) -> Entry:
    return Entry(ObjectKind.COLUMN, ("x",), privileges, "app", names, columns=columns)


def column_rights(place: Place, relation: str) -> list[str]:
    found: list[str] = place.value(
        f"select array(select a.attname || ':' || unnest(a.attacl)::text from pg_attribute a "
        f"where a.attrelid = '{relation}'::regclass and a.attacl is not null order by 1)"
    )
    return found


def answered(place: Place, **wants: GrantWant) -> dict[str, GrantAnswer | Exception]:
    passed = place.run({key(name): one for name, one in wants.items()})
    return {name: passed.answers[key(name)] for name in wants}


@pytest.mark.parametrize(
    "bad",
    [want(STRANGE), GrantWant(NOTHING, ON_RECORD), want(table("SELECT"), ledger=ON_RECORD)],
    ids=["entry", "record of a deleted one", "record of a corrected one"],
)
def test_a_fault_of_one_object_is_told_to_that_one(place: Place, bad: GrantWant) -> None:
    found = answered(place, bad=bad, good=want(table("SELECT", to=("y",), names=("orders",))))

    fault, good = found["bad"], found["good"]
    assert isinstance(fault, NotYet)
    assert fault.reason is Reason.INTERNAL_ERROR
    assert isinstance(good, GrantAnswer)
    assert (good.problems, place.acl("app.orders")) == ((), ["y=r/app_owner"])


def test_what_a_faulty_object_holds_is_not_taken_for_another(place: Place) -> None:
    held = want(table("SELECT"))
    answered(place, a=held)

    faulty = dataclasses.replace(want(STRANGE), ledger=caused(table("SELECT")))
    answered(place, a=faulty, gone=GrantWant(NOTHING, caused(table("SELECT"))))

    assert place.acl("app.orders") == ["x=r/app_owner"]


def test_a_record_that_claims_something_strange_stops_nobody(place: Place) -> None:
    passed = place.run({key("a"): want(table("SELECT"))}, {key("b"): ON_RECORD})

    answer = passed.answers[key("a")]
    assert isinstance(answer, GrantAnswer)
    assert answer.problems == ()


def test_a_row_that_cannot_be_read_hides_no_other() -> None:
    assert list(each([(1, 2), (0, 0), (4, 2)], lambda row: row[0] // row[1])) == [0, 2]


def test_columns_of_a_sequence_are_granted_and_taken_back(place: Place) -> None:
    entry = on_columns("SELECT", columns=("last_value",))
    given = place.answer(want(entry))
    assert (given.problems, given.executed) == (
        (),
        ('GRANT SELECT ("last_value") ON TABLE "app"."numbers" TO "x"',),
    )
    assert column_rights(place, "app.numbers") == ["last_value:x=r/app_owner"]

    taken = place.answer(GrantWant(NOTHING, given.ledger))

    assert (taken.problems, taken.ledger, column_rights(place, "app.numbers")) == ((), frozenset(), [])


def test_what_a_sequences_columns_cannot_have_is_refused_by_name(place: Place) -> None:
    bad = want(on_columns("UPDATE", columns=("last_value",)))
    found = answered(place, bad=bad, good=want(table("SELECT", to=("y",))))

    refused, good = found["bad"], found["good"]
    assert isinstance(refused, GrantAnswer)
    assert [(p.reason, p.message) for p in refused.problems] == [
        (
            Reason.INVALID_SPEC,
            "app.numbers is a Sequence, whose columns have only SELECT: take the other privileges out",
        )
    ]
    assert isinstance(good, GrantAnswer)
    assert good.problems == ()


def test_columns_of_a_table_that_became_a_sequence_are_those_of_the_sequence(place: Place) -> None:
    entry = on_columns("SELECT", columns=("id", "last_value"), names=("items",))
    first = place.answer(want(entry))
    place.sql("set role app_owner; drop table app.items; create sequence app.items")

    second = place.answer(want(entry, ledger=first.ledger))

    assert [problem.message for problem in second.problems] == ["Column items.id does not exist in schema 'app'"]
    assert column_rights(place, "app.items") == ["last_value:x=r/app_owner"]
    assert place.answer(GrantWant(NOTHING, second.ledger)).ledger == frozenset()
    assert column_rights(place, "app.items") == []


def test_exclusive_takes_what_somebody_granted_on_a_sequences_column(place: Place) -> None:
    place.sql("set role app_owner; grant select (last_value) on app.numbers to x, y")

    answer = place.answer(want(on_schema("USAGE"), how=Enforcement.EXCLUSIVE))

    assert (answer.problems, column_rights(place, "app.numbers")) == ((), ["last_value:y=r/app_owner"])


def test_a_sequences_own_revoke_leaves_the_rights_on_its_columns_as_they_are_wanted(place: Place) -> None:
    whole = Entry(ObjectKind.SEQUENCE, ("x",), ("SELECT",), "app", ("numbers",))
    column = on_columns("SELECT", columns=("last_value",))
    place.sql("set role app_owner; grant select (last_value) on app.numbers to x")
    first = place.answer(want(whole, column))

    second = place.answer(want(column, ledger=first.ledger))

    assert second.problems == ()
    assert column_rights(place, "app.numbers") == ["last_value:x=r/app_owner"]


@pytest.fixture
def latin_role(setting: Setting, place: Place) -> None:
    """A role whose name is not UTF-8, in all databases of the server, and owner of a table here."""
    latin = setting.encoded("LATIN1")
    latin.raw(b'create role "M\xfcller"', "LATIN1")
    place.sql(
        "do $$ declare o regrole := (select oid from pg_roles where rolname ~ '^M.ller$'); begin "
        "execute format('create table app.theirs (); alter table app.theirs owner to %s', o); end $$"
    )


@pytest.mark.usefixtures("latin_role")
def test_a_role_whose_name_is_no_utf8_stops_nothing(place: Place) -> None:
    answer = place.answer(want(table("SELECT"), on_database("CONNECT")))

    assert place.acl("app.orders") == ["x=r/app_owner"]
    assert [problem.reason for problem in answer.problems] == [Reason.UNREACHABLE_OWNER]
    assert "1 object(s) belong to role 'M\\udcfcller'" in answer.problems[0].message
    place.sql(
        "drop table app.theirs; do $$ begin execute (select 'drop role ' || oid::regrole from pg_roles "
        "where rolname ~ '^M.ller$'); end $$"
    )


def test_a_table_whose_name_is_no_utf8_is_granted_with_the_others(setting: Setting) -> None:
    place = setting.encoded("SQL_ASCII")
    place.raw(
        b'set role app_owner; create table app."caf\xe9" (id int); create table app."na\xc3\xafve" (id int)',
        "SQL_ASCII",
    )

    answer = place.answer(want(table("SELECT")))

    assert answer.problems == ()
    assert (answer.observed.desired, answer.observed.held) == (4, 4)
    assert 'TABLE "app"."caf\\udce9", "app"."items", "app"."na\u00efve"' in answer.executed[0]
    assert place.answer(GrantWant(NOTHING, answer.ledger)).ledger == frozenset()
    named = place.answer(want(table("SELECT", names=("na\u00efve",))))
    assert (named.problems, named.observed.held) == ((), 1)


def test_a_name_that_a_database_has_no_bytes_for_does_not_exist_there(setting: Setting) -> None:
    place = setting.encoded("LATIN1")
    place.raw(b'set role app_owner; create table app."caf\xe9" (id int)', "LATIN1")
    strange = want(table("SELECT", names=("\u540d",), to=("x", "\u540d")))

    found = answered(place, bad=strange, good=want(table("SELECT", names=("caf\u00e9",))))

    bad, good = found["bad"], found["good"]
    assert isinstance(bad, GrantAnswer)
    assert {problem.reason for problem in bad.problems} == {Reason.OBJECT_NOT_FOUND, Reason.ROLE_NOT_FOUND}
    assert isinstance(good, GrantAnswer)
    assert (good.problems, good.observed.held) == ((), 1)
