"""What a pass remembers for the next: when that need not look, and what it must not miss."""

from dataclasses import replace

from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.core.grants.decided.counts import Observed
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entry
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer, Memory, Passed
from support.granting.setting import Place
from support.granting.wording import key, table, want

ONLY = key("only")
ON_TABLES = want(table("SELECT"))
ON_A_COLUMN = want(Entry(ObjectKind.COLUMN, ("x",), ("SELECT",), "app", ("orders",), columns=("note",)))
OTHER = "create schema other authorization app_owner; set role app_owner; create table other.one (id integer)"


def settled(place: Place, wanted: GrantWant) -> Memory:
    """What is remembered once there is nothing left to do."""
    place.run({ONLY: wanted})
    memory = place.run({ONLY: wanted}).memory
    assert memory is not None
    return memory


def answered(passed: Passed) -> GrantAnswer:
    answer = passed.answers[ONLY]
    assert isinstance(answer, GrantAnswer)
    return answer


def looks(place: Place) -> int:
    """How often rights were looked at."""
    return sum("with recursive wanted" in one.sql for one in place.cluster.statements())


def test_an_unchanged_fingerprint_answers_without_looking_at_rights(place: Place) -> None:
    memory = settled(place, ON_TABLES)
    before = looks(place)

    second = place.run({ONLY: ON_TABLES}, memory=memory)

    assert looks(place) == before
    assert second.clean
    assert answered(second).observed == Observed(desired=2, held=2)


def test_what_was_just_written_is_looked_at_again_as_a_whole_by_the_next_pass(place: Place) -> None:
    first = place.run({ONLY: ON_TABLES})

    second = place.run({ONLY: ON_TABLES}, memory=first.memory)

    assert (first.clean, first.memory) == (False, None)
    assert second.clean
    assert second.memory is not None


def test_what_somebody_takes_elsewhere_while_a_pass_writes_is_given_back_by_the_next(place: Place) -> None:
    place.sql(OTHER)
    wanted = want(table("SELECT"), table("SELECT", schema="other"))
    settled(place, wanted)
    place.sql("revoke select on app.items from x")
    interfering = replace(place.access(), fence=lambda: place.sql("revoke select on other.one from x"))

    first = run_pass(interfering, place.name, {ONLY: wanted}, {}, None)
    second = place.run({ONLY: wanted}, memory=first.memory)

    assert answered(first).executed == ('GRANT SELECT ON TABLE "app"."items" TO "x"',)
    assert answered(second).executed == ('GRANT SELECT ON TABLE "other"."one" TO "x"',)


def test_a_pass_that_writes_in_one_schema_still_counts_what_is_held_in_all(place: Place) -> None:
    place.sql(OTHER)
    wanted = want(table("SELECT"), table("SELECT", schema="other"))
    settled(place, wanted)
    place.sql("revoke select on app.items from x")

    passed = place.run({ONLY: wanted})

    assert answered(passed).observed == Observed(desired=3, held=3)


def test_a_right_on_a_column_that_somebody_takes_is_given_back(place: Place) -> None:
    memory = settled(place, ON_A_COLUMN)
    place.sql("revoke select (note) on app.orders from x")

    passed = place.run({ONLY: ON_A_COLUMN}, memory=memory)

    assert answered(passed).executed == ('GRANT SELECT ("note") ON TABLE "app"."orders" TO "x"',)


def test_a_new_right_on_a_kind_that_nobody_declares_is_no_reason_to_look(place: Place) -> None:
    memory = settled(place, ON_TABLES)
    before = looks(place)
    place.sql("grant select (note) on app.orders to y; grant usage on type app.state to y")

    passed = place.run({ONLY: ON_TABLES}, memory=memory)

    assert (passed.clean, looks(place)) == (True, before)


def test_a_new_right_on_a_kind_that_nobody_declares_is_taken_by_who_owns_everything(place: Place) -> None:
    wanted = want(table("SELECT"), how=Enforcement.EXCLUSIVE)
    memory = settled(place, wanted)
    place.sql("grant update (note) on app.orders to x; grant usage on type app.state to x")

    passed = place.run({ONLY: wanted}, memory=memory)

    assert answered(passed).executed == (
        'REVOKE UPDATE ("note") ON TABLE "app"."orders" FROM "x"',
        'REVOKE USAGE ON TYPE "app"."state" FROM "x"',
    )


def test_a_renamed_type_in_the_signature_of_a_declared_routine_is_noticed(place: Place) -> None:
    place.sql("set role app_owner; create function app.g(app.state) returns integer language sql as 'select 1'")
    wanted = want(Entry(ObjectKind.ROUTINE, ("x",), ("EXECUTE",), "app", ("g(app.state)",)))
    memory = settled(place, wanted)
    place.sql("alter type app.state rename to condition")

    passed = place.run({ONLY: wanted}, memory=memory)

    assert [problem.message for problem in answered(passed).problems] == [
        "Routine g(app.state) does not exist in schema 'app'"
    ]
