"""Names that PostgreSQL could take for another routine or type, and what is written wrong most often."""

from dataclasses import replace

import pytest

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entries, Entry, RoleEntry
from cloudsql_iam_operator.core.reasons import Reason
from support.granting.setting import Place
from support.granting.wording import NOTHING, objects, want

DOMAINS = """
set role app_owner;
create domain app.tags as text[];
create domain app.short_tags as app.tags check (cardinality(value) < 9);
create domain app.zip as text;
create type app.range as range (subtype = integer);
revoke usage on type app.tags, app.short_tags, app.zip, app.range from public
"""
ALIKE = """
set role app_owner;
create procedure app.p(a int, out b int) language sql as 'select 1';
create function app.p(a int, b int) returns int language sql as 'select 1';
create procedure app.p(a text, out b text) language sql as 'select ''1''';
create procedure app.p(a text, b text) language sql as 'select 1';
create function app.alone(int) returns int language sql as 'select 1';
revoke execute on all routines in schema app from public
"""


def may_execute(place: Place, role: str) -> list[str]:
    found: list[str] = place.value(
        "select array(select p.oid::regprocedure::text from pg_proc p "
        "where p.pronamespace = 'app'::regnamespace and p.proname in ('agg', 'alone', 'fn', 'p', 'q', 'w') "
        f"and has_function_privilege('{role}', p.oid, 'EXECUTE') order by 1)"
    )
    return found


@pytest.mark.parametrize("names", [("*",), ("range", "short_tags", "tags", "zip")])
def test_a_domain_over_an_array_is_a_type_like_others(place: Place, names: tuple[str, ...]) -> None:
    place.sql(DOMAINS)

    answer = place.answer(want(objects(ObjectKind.TYPE, "USAGE", names=names)))

    assert (answer.problems, answer.observed.missing) == ((), 0)
    for name in ("range", "short_tags", "tags", "zip"):
        assert place.value(f"select has_type_privilege('x', 'app.{name}', 'USAGE')"), name
    gone = place.answer(GrantWant(NOTHING, answer.ledger))
    assert (gone.problems, gone.ledger) == ((), frozenset())
    assert not place.value("select has_type_privilege('x', 'app.tags', 'USAGE')")


def test_each_of_several_routines_of_a_name_is_granted_and_taken_back(place: Place) -> None:
    place.sql(ALIKE)
    every = len(may_execute(place, "app_owner"))

    given = place.answer(want(objects(ObjectKind.ROUTINE, "EXECUTE")))
    assert (given.problems, given.observed.missing, len(may_execute(place, "x"))) == ((), 0, every)
    gone = place.answer(GrantWant(NOTHING, given.ledger))
    assert (gone.problems, gone.ledger, may_execute(place, "x")) == ((), frozenset(), [])


def test_a_function_beside_a_procedure_with_out_arguments_is_meant_by_its_signature(place: Place) -> None:
    place.sql(ALIKE)

    answer = place.answer(want(objects(ObjectKind.ROUTINE, "EXECUTE", names=("p(integer,integer)",))))

    assert answer.problems == ()
    assert may_execute(place, "x") == ["app.p(integer,integer)"]


OF_KIND = {
    ObjectKind.FUNCTION: ["app.agg(integer)", "app.fn(integer)", "app.w(integer)"],
    ObjectKind.PROCEDURE: ["app.p(integer)", "app.q()"],
}
OF_KIND[ObjectKind.ROUTINE] = sorted(OF_KIND[ObjectKind.FUNCTION] + OF_KIND[ObjectKind.PROCEDURE])
MIXED = """
    set role app_owner;
    create function app.fn(int) returns int language sql as 'select 1';
    create function app.w(int) returns int language sql stable as 'select 1';
    create aggregate app.agg(int) (sfunc = int4pl, stype = int);
    create procedure app.p(int) language sql as 'select 1';
    create procedure app.q() language sql as 'select 1';
    revoke execute on all routines in schema app from public
"""


@pytest.mark.parametrize("named", [False, True], ids=["all", "named"])
@pytest.mark.parametrize("kind", OF_KIND, ids=str)
def test_functions_and_procedures_are_meant_apart_or_together(place: Place, kind: ObjectKind, *, named: bool) -> None:
    place.sql(MIXED)
    names = [name.removeprefix("app.") for name in OF_KIND[kind]] if named else ["*"]
    wanted = want(objects(kind, "EXECUTE", names=tuple(names)))

    given = place.answer(wanted)
    assert (given.problems, given.observed.missing, may_execute(place, "x")) == ((), 0, OF_KIND[kind])
    assert place.answer(replace(wanted, ledger=given.ledger)).executed == ()

    gone = place.answer(GrantWant(NOTHING, given.ledger))
    assert (gone.problems, gone.ledger, may_execute(place, "x")) == ((), frozenset(), [])


@pytest.mark.parametrize("kind", OF_KIND, ids=str)
def test_narrowing_routines_takes_back_the_others(place: Place, kind: ObjectKind) -> None:
    place.sql(MIXED)
    whole = place.answer(want(objects(ObjectKind.ROUTINE, "EXECUTE")))

    narrowed = place.answer(replace(want(objects(kind, "EXECUTE")), ledger=whole.ledger))

    assert (narrowed.problems, may_execute(place, "x")) == ((), OF_KIND[kind])


@pytest.mark.parametrize("kind", OF_KIND, ids=str)
def test_public_loses_what_is_meant(place: Place, kind: ObjectKind) -> None:
    place.sql(MIXED + "; grant execute on all routines in schema app to public")
    taken = Entry(kind, (), ("EXECUTE",), "app", ("*",))

    answer = place.answer(GrantWant(Entries(public=(taken,)), frozenset()))

    left = sorted(set(OF_KIND[ObjectKind.ROUTINE]) - set(OF_KIND[kind]))
    assert (answer.problems, may_execute(place, "x")) == ((), left)


@pytest.mark.parametrize(("kind", "name"), [(ObjectKind.FUNCTION, "p(integer)"), (ObjectKind.PROCEDURE, "fn(integer)")])
def test_one_of_the_other_kind_is_told(place: Place, kind: ObjectKind, name: str) -> None:
    place.sql(MIXED)

    answer = place.answer(want(objects(kind, "EXECUTE", names=(name,))))

    other = "Procedure" if kind is ObjectKind.FUNCTION else "Function"
    assert [problem.message for problem in answer.problems] == [
        f"app.{name} is a {other}, not a {kind}: change the entry's kind"
    ]
    assert may_execute(place, "x") == []


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("app.f(integer)", "leave its schema out, which the entry names"),
        ("f(a integer)", "write only the types of its arguments, without names, modes or defaults"),
        ("f(in integer)", "write only the types of its arguments, without names, modes or defaults"),
        ("f(integer default 1)", "write only the types of its arguments, without names, modes or defaults"),
        ("f(double precision)", ""),
        ("f(numeric(10, 2), timestamp with time zone)", ""),
    ],
)
def test_a_signature_that_is_not_found_is_told_with_what_may_be_wrong(place: Place, written: str, hint: str) -> None:
    answer = place.answer(want(objects(ObjectKind.ROUTINE, "EXECUTE", names=(written,))))

    missing = f"Routine {written} does not exist in schema 'app'"
    assert [(problem.reason, problem.message) for problem in answer.problems] == [
        (Reason.OBJECT_NOT_FOUND, f"{missing}; {hint}" if hint else missing)
    ]


def test_a_membership_that_would_stop_a_password_login_is_refused(place: Place) -> None:
    place.sql("create role cloudsqliamuser; create role alice login; grant cloudsqliamuser to alice")
    place.sql("create role legacy login; create role team; grant team to legacy; create role bob login")
    place.sql("grant cloudsqliamuser to bob; grant alice to op with admin option")

    answer = place.answer(replace(want(RoleEntry("alice", ("bob", "legacy", "team"))), listed=frozenset({"alice"})))

    assert [problem.reason for problem in answer.problems] == [Reason.ROLE_NOT_ALLOWED] * 2
    assert all("would stop the password login of 'legacy'" in problem.message for problem in answer.problems)
    assert answer.executed == ('GRANT "alice" TO "bob"',)
    place.sql("drop role alice, bob, legacy, team, cloudsqliamuser")
