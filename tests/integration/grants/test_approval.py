"""Passes over a real PostgreSQL in which one object's plan may be executed only if it is the one that was approved."""

import asyncio
from dataclasses import replace

from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.ledger import granted
from cloudsql_iam_operator.services.identities.sessions import Sessions
from cloudsql_iam_operator.services.lanes.database import DatabaseLane, Passes
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting.pace import Pace
from support.granting.setting import Place, Setting
from support.granting.wording import NOTHING, caused, key, on_record, table, want

DRY = replace(want(table("SELECT")), dry=True)
BOTH_TABLES = 'GRANT SELECT ON TABLE "app"."items", "app"."orders" TO "x"'


def approved(place: Place, wanted: GrantWant) -> GrantWant:
    """The want with the plan approved that there is for it now."""
    return replace(wanted, approved=place.answer(wanted).plan_hash)


def test_the_approved_plan_is_executed_and_goes_on_record(place: Place) -> None:
    answer = place.answer(approved(place, DRY))

    assert (answer.approved, answer.executed, answer.planned, answer.problems) == (True, (BOTH_TABLES,), (), ())
    assert granted(answer.ledger) == caused(table("SELECT"))


def test_a_plan_that_grew_since_it_was_approved_is_shown_and_not_executed(place: Place) -> None:
    wanted = approved(place, DRY)
    place.sql("set role app_owner; create table app.later ()")

    answer = place.answer(wanted)

    assert (answer.approved, answer.executed, answer.ledger, place.sent()) == (False, (), frozenset(), [])
    assert answer.planned == ('GRANT SELECT ON TABLE "app"."items", "app"."later", "app"."orders" TO "x"',)
    assert answer.plan_hash != wanted.approved


def test_the_plan_of_another_database_has_another_hash(setting: Setting) -> None:
    one, other = setting.place(), setting.place()

    assert one.answer(DRY).planned == other.answer(DRY).planned
    assert one.answer(DRY).plan_hash != other.answer(DRY).plan_hash


def test_an_approval_lets_through_no_plan_of_another_object(place: Place) -> None:
    mine = approved(place, DRY)
    theirs = replace(want(table("INSERT")), dry=True)

    answers = place.run({key("mine"): mine, key("theirs"): theirs}).answers

    said = answers[key("theirs")]
    assert isinstance(said, GrantAnswer)
    assert said.planned == ('GRANT INSERT ON TABLE "app"."items", "app"."orders" TO "x"',)
    assert place.acl("app.orders") == ["x=r/app_owner"]


def test_of_an_approved_plan_that_is_refused_the_refused_part_is_planned_anew(place: Place) -> None:
    place.sql(
        "create function public.veto() returns event_trigger language plpgsql as "
        "$$ begin raise exception 'not here'; end $$;"
        "create event trigger veto on ddl_command_end when tag in ('GRANT') execute function public.veto()"
    )

    answer = place.answer(approved(place, DRY))

    assert (answer.approved, answer.executed, answer.planned) == (True, (), (BOTH_TABLES,))
    assert "not here" in answer.problems[0].message


def test_an_approval_does_not_stand_for_the_passes_of_other_objects(place: Place) -> None:
    wanted = approved(place, DRY)

    async def story() -> GrantAnswer:
        threads = Threads(2)
        passes = Passes(threads, Sessions(2), Pace(quiet=0.01, longest=1.0))
        lane = DatabaseLane(place.name, place.access, on_record(), passes)
        try:
            first = await lane.apply(key("careful"), wanted)
            place.sql("set role app_owner; revoke select on app.items, app.orders from x")
            await lane.apply(key("other"), want(table("INSERT", to=("y",))))
        finally:
            threads.close()
        return first

    first = asyncio.run(story())

    assert first.executed == (BOTH_TABLES,)
    assert place.acl("app.orders") == ["y=a/app_owner"]


def test_a_plan_that_is_only_shown_keeps_nothing_that_its_giver_gave_up(place: Place) -> None:
    place.run({key("giver"): want(table("SELECT"))})
    assert place.acl("app.orders") == ["x=r/app_owner"]

    gone = GrantWant(NOTHING, caused(table("SELECT")))
    answers = place.run({key("giver"): gone, key("shown"): DRY}).answers

    given_up, shown = answers[key("giver")], answers[key("shown")]
    assert isinstance(given_up, GrantAnswer)
    assert isinstance(shown, GrantAnswer)
    assert (place.acl("app.orders"), given_up.ledger) == ([], frozenset())
    assert shown.planned == ('GRANT SELECT ON TABLE "app"."items", "app"."orders" TO "x"',)
