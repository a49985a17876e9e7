"""What a pass knows to be drift: what was held when it last looked and somebody took since, and nothing else."""

from dataclasses import replace

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.drift import Drift
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entry, RoleEntry
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer, Passed
from support.granting.setting import Place, Setting
from support.granting.wording import declared, key, table, want

ONLY = key("only")
READS = want(table("SELECT"))
READS_ITEMS = 'GRANT SELECT ON TABLE "app"."items" TO "x"'
PASSING = "create role passing; grant passing to op with admin option"


def next_pass(place: Place, wants: dict[Key, GrantWant], last: Passed | None = None) -> Passed:
    """A pass that knows what the last one does."""
    before, memory = (last.held, last.memory) if last is not None else (None, None)
    return run_pass(place.access(), place.name, wants, {}, memory, before=before)


def settled(place: Place, wanted: GrantWant) -> Passed:
    """A pass that found everything held."""
    last = next_pass(place, {ONLY: wanted}, next_pass(place, {ONLY: wanted}))
    assert last.clean
    return last


def mended(place: Place, wanted: GrantWant, last: Passed) -> GrantAnswer:
    """The answer of the pass after `last`."""
    return answer_in(next_pass(place, {ONLY: wanted}, last))


def answer_in(passed: Passed, of: Key = ONLY) -> GrantAnswer:
    answer = passed.answers[of]
    assert isinstance(answer, GrantAnswer)
    return answer


def test_a_privilege_that_somebody_revoked_is_given_back_as_drift(place: Place) -> None:
    last = settled(place, READS)
    place.sql("revoke select on app.items from x")

    answer = mended(place, READS, last)

    assert answer.drift == Drift(1, 0, (READS_ITEMS,))
    assert answer.executed == (READS_ITEMS,)


def test_drift_is_known_after_a_pass_that_did_something_too(place: Place) -> None:
    first = next_pass(place, {ONLY: READS})
    place.sql("revoke select on app.items, app.orders from x")

    answer = mended(place, READS, first)

    assert answer.drift.privileges == 2


def test_a_first_pass_claims_no_drift(place: Place) -> None:
    settled(place, READS)
    place.sql("revoke select on app.items from x")

    answer = answer_in(next_pass(place, {ONLY: READS}))

    assert (answer.granted, answer.drift) == (1, Drift())


def test_a_new_table_is_no_drift_and_is_told_apart_from_what_was_taken(place: Place) -> None:
    last = settled(place, READS)
    place.sql("set role app_owner; create table app.later (id integer); revoke select on app.items from x")

    answer = mended(place, READS, last)

    assert answer.executed == ('GRANT SELECT ON TABLE "app"."items", "app"."later" TO "x"',)
    assert answer.drift == Drift(1, 1, (READS_ITEMS,))


def test_a_table_that_was_made_again_is_no_drift(place: Place) -> None:
    last = settled(place, READS)
    place.sql("drop table app.items; set role app_owner; create table app.items (id integer)")

    answer = mended(place, READS, last)

    assert (answer.granted, answer.drift) == (1, Drift())


def test_a_table_that_came_from_another_schema_or_got_the_declared_name_is_no_drift(place: Place) -> None:
    place.sql("create schema other authorization app_owner; set role app_owner; create table other.moved ()")
    wanted = want(table("SELECT", names=("items", "moved")), table("SELECT", schema="other"))
    last = next_pass(place, {ONLY: wanted})
    place.sql("revoke select on other.moved from x; alter table other.moved set schema app")

    answer = mended(place, wanted, last)

    assert (answer.granted, answer.drift) == (1, Drift())


def test_a_changed_declaration_is_no_drift(place: Place) -> None:
    last = settled(place, READS)
    place.sql("revoke select on app.items from x")

    answer = mended(place, want(table("INSERT", "SELECT")), last)

    assert (answer.granted, answer.drift) == (3, Drift())


def test_a_role_that_was_made_again_is_no_drift(place: Place) -> None:
    place.sql(PASSING)
    wanted = want(table("SELECT", to=("passing", "x")), RoleEntry("passing", ("y",)))
    last = settled(place, wanted)
    place.sql(f"drop owned by passing; drop role passing; {PASSING}; revoke select on app.items from x")

    answer = mended(place, wanted, last)
    place.sql("drop owned by passing; drop role passing")

    assert answer.drift == Drift(1, 3, (READS_ITEMS,))


def test_a_membership_that_somebody_took_is_given_back_as_drift(place: Place) -> None:
    place.sql(PASSING)
    wanted = want(RoleEntry("passing", ("x", "y")))
    last = settled(place, wanted)
    by = " granted by op" if place.version >= 16 else ""
    place.sql(f"revoke passing from y{by}")

    answer = mended(place, wanted, last)
    place.sql("drop role passing")

    assert answer.drift == Drift(1, 0, ('GRANT "passing" TO "y"',))


def test_a_role_that_is_gone_does_not_hide_the_drift_of_others(place: Place) -> None:
    place.sql(PASSING)
    wanted = want(table("SELECT", to=("passing", "x")), RoleEntry("passing", ("y",)))
    last = settled(place, wanted)
    place.sql("drop owned by passing; drop role passing; revoke select on app.items from x")

    answer = mended(place, wanted, last)

    assert answer.drift == Drift(1, 0, (READS_ITEMS,))


def test_what_was_out_of_reach_before_is_no_drift_when_it_is_granted(setting: Setting) -> None:
    place = setting.place(owner_roles=("app_owner", "stranger"))
    place.sql("create table app.theirs (); alter table app.theirs owner to stranger")
    last = next_pass(place, {ONLY: READS})
    place.sql("grant stranger to op; revoke select on app.items from x")

    answer = mended(place, READS, last)
    place.sql("revoke stranger from op")

    assert last.answers[ONLY] != answer
    assert answer.drift == Drift(1, 1, (READS_ITEMS,))


def test_each_object_is_told_its_own_drift(place: Place) -> None:
    mine, theirs = want(table("SELECT", names=("items",))), want(table("SELECT", to=("y",)))
    wants = {key("mine"): mine, key("theirs"): theirs}
    last = next_pass(place, wants)
    place.sql("revoke select on app.items, app.orders from x, y")

    passed = next_pass(place, wants, last)

    assert answer_in(passed, key("mine")).drift.privileges == 1
    assert answer_in(passed, key("theirs")).drift.privileges == 2


def test_an_object_that_is_new_shares_no_drift_of_what_it_declares_too(place: Place) -> None:
    last = settled(place, READS)
    place.sql("revoke select on app.items from x")

    passed = next_pass(place, {ONLY: READS, key("new"): READS}, last)

    assert answer_in(passed).drift == Drift(1, 0, (READS_ITEMS,))
    assert answer_in(passed, key("new")).drift == Drift()


def test_what_is_only_planned_is_no_drift(place: Place) -> None:
    last = settled(place, READS)
    place.sql("revoke select on app.items from x")

    answer = mended(place, replace(READS, dry=True), last)

    assert (answer.planned, answer.drift) == ((READS_ITEMS,), Drift())


def test_a_right_on_a_column_a_schema_and_objects_to_come_drift_alike(place: Place) -> None:
    future = Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", future=True, owners=("app_owner",))
    wanted = GrantWant(
        declared(
            Entry(ObjectKind.SCHEMA, ("x",), ("USAGE",), "app"),
            Entry(ObjectKind.COLUMN, ("x",), ("SELECT",), "app", ("orders",), columns=("country", "note")),
            Entry(ObjectKind.ROUTINE, ("x",), ("EXECUTE",), "app", ("f(integer)",)),
            future,
        )
    )
    last = settled(place, wanted)
    place.sql(
        "revoke usage on schema app from x; revoke select (note) on app.orders from x;"
        "revoke execute on function app.f(integer) from x;"
        "alter default privileges for role app_owner in schema app revoke select on tables from x"
    )

    answer = mended(place, wanted, last)

    assert answer.drift == Drift(
        4,
        0,
        (
            'GRANT USAGE ON SCHEMA "app" TO "x"',
            'GRANT EXECUTE ON FUNCTION "app"."f"("pg_catalog"."int4") TO "x"',
            'ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "app" GRANT SELECT ON TABLES TO "x"',
            'GRANT SELECT ("note") ON TABLE "app"."orders" TO "x"',
        ),
    )


def test_what_cannot_be_given_back_is_no_corrected_drift(place: Place) -> None:
    last = settled(place, READS)
    place.sql(
        "revoke select on app.items from x;"
        "create function public.veto() returns event_trigger language plpgsql as "
        "$$ begin raise exception 'not here'; end $$;"
        "create event trigger veto on ddl_command_end when tag in ('GRANT') execute function public.veto()"
    )

    answer = mended(place, READS, last)

    assert (answer.observed.missing, answer.drift) == (1, Drift())


def test_a_pass_that_finds_nothing_changed_tells_no_drift_and_forgets_nothing(place: Place) -> None:
    last = settled(place, READS)
    quiet = next_pass(place, {ONLY: READS}, last)
    place.sql("revoke select on app.items from x")

    corrected = next_pass(place, {ONLY: READS}, quiet)
    after = next_pass(place, {ONLY: READS}, corrected)
    quiet_again = next_pass(place, {ONLY: READS}, after)

    assert [answer_in(one).drift.privileges for one in (quiet, corrected, after, quiet_again)] == [0, 1, 0, 0]
