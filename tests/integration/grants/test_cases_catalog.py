"""Tricky cases about what a database holds and what happens to it meanwhile, on a real PostgreSQL."""

import threading
from dataclasses import replace

import pytest

from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.setting import Place, Setting
from support.granting.wording import NOTHING, caused, key, objects, on_schema, table, want


def passed(access: Access, name: str, wanted: GrantWant) -> GrantAnswer:
    answer = run_pass(access, name, {key("a"): wanted}, {}, None).answers[key("a")]
    assert isinstance(answer, GrantAnswer), answer
    return answer


def test_a_right_that_the_operator_cannot_pass_on_is_not_counted_as_granted(place: Place) -> None:
    place.sql("create table app.theirs (); alter table app.theirs owner to stranger; grant select on app.theirs to op")

    answer = place.answer(want(table("SELECT", names=("theirs",))))

    assert [problem.reason for problem in answer.problems] == [Reason.UNREACHABLE_OWNER]
    assert (answer.observed.missing, place.sent()) == (1, [])


def test_a_signature_with_precise_types_and_a_weird_name_is_resolved(place: Place) -> None:
    place.sql(
        'set role app_owner; create function app."Weird "" Fn"(numeric(10,2)[], app.state) returns integer'
        " language sql as 'select 1'"
    )

    answer = place.answer(
        want(objects(ObjectKind.ROUTINE, "EXECUTE", names=('"Weird "" Fn"(numeric(10,2)[], app.state)',)))
    )

    assert answer.problems == ()
    assert answer.executed == (
        'GRANT EXECUTE ON FUNCTION "app"."Weird "" Fn"("pg_catalog"."_numeric", "app"."state") TO "x"',
    )


def test_a_partitioned_table_is_granted_alone_and_a_wildcard_takes_in_later_partitions(place: Place) -> None:
    place.sql(
        "set role app_owner; create table app.parts (id integer) partition by list (id);"
        "create table app.part_1 partition of app.parts for values in (1)"
    )

    place.answer(want(table("SELECT", names=("parts",))))
    alone = place.acl("app.parts"), place.value("select relacl from pg_class where relname = 'part_1'")
    place.answer(want(table("SELECT")))
    place.sql("set role app_owner; create table app.part_2 partition of app.parts for values in (2)")
    later = place.answer(want(table("SELECT")))

    assert alone == (["x=r/app_owner"], None)
    assert later.executed == ('GRANT SELECT ON TABLE "app"."part_2" TO "x"',)


def test_a_table_that_a_member_of_the_owner_made_as_itself_is_caught_by_the_wildcard(setting: Setting) -> None:
    place = setting.place(owner_roles=("app_owner", "d"))
    place.sql(
        "grant d to op; grant usage, create on schema app to d;"
        "create table app.mine (); alter table app.mine owner to d"
    )

    answer = place.answer(want(table("SELECT", names=("mine",))))

    assert (answer.problems, place.acl("app.mine")[-1]) == ((), "x=r/d")


@pytest.mark.parametrize("schema", ['app"."secrets', "..", "app."])
def test_a_hostile_schema_name_matches_nothing(place: Place, schema: str) -> None:
    answer = place.answer(want(on_schema("USAGE", schema=schema), table("SELECT", schema=schema)))

    assert {problem.reason for problem in answer.problems} == {Reason.OBJECT_NOT_FOUND}
    assert place.sent() == []


def test_a_table_dropped_between_the_look_and_the_grant_fails_nothing(place: Place) -> None:
    dropped = threading.Event()

    def fence() -> None:
        if not dropped.is_set():
            dropped.set()
            place.sql("drop table app.items")

    answer = passed(replace(place.access(), fence=fence), place.name, want(table("SELECT")))

    assert (answer.problems, place.acl("app.orders")) == ((), ["x=r/app_owner"])


def test_what_a_restored_backup_lost_is_granted_again(place: Place) -> None:
    wanted = table("SELECT", names=("orders",))

    answer = place.answer(want(wanted, ledger=caused(wanted)))

    assert answer.executed == ('GRANT SELECT ON TABLE "app"."orders" TO "x"',)


def test_an_object_that_lost_its_status_revokes_nothing_it_cannot_prove(place: Place) -> None:
    place.answer(want(table("SELECT", "INSERT")))

    answer = place.answer(want(table("SELECT")))

    assert (answer.executed, answer.observed.foreign) == ((), 2)


def test_a_plan_of_many_statements_has_one_hash_until_the_database_changes(place: Place) -> None:
    dry = GrantWant(want(table("SELECT"), objects(ObjectKind.ROUTINE, "EXECUTE")).entries, dry=True)

    first, second = place.answer(dry), place.answer(dry)
    place.sql("set role app_owner; create table app.more ()")
    third = place.answer(dry)

    assert first.plan_hash.startswith("sha256:")
    assert first.plan_hash == second.plan_hash != third.plan_hash
    assert place.sent() == []


def test_two_databases_are_worked_on_at_once(setting: Setting) -> None:
    places = [setting.place(), setting.place()]
    answers: list[GrantAnswer] = []

    threads = [threading.Thread(target=lambda p=p: answers.append(p.answer(want(table("SELECT"))))) for p in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [answer.problems for answer in answers] == [(), ()]
    assert [p.acl("app.orders") for p in places] == [["x=r/app_owner"]] * 2


def test_an_operator_that_dies_between_transactions_is_completed_by_the_next_pass(place: Place) -> None:
    place.sql(
        "set role app_owner; do $$ begin for i in 1..150 loop"
        " execute format('create table app.t%s ()', i); end loop; end $$"
    )
    fences = iter([None])

    def fence() -> None:
        if next(fences, "dead") == "dead":
            raise NotYet(Reason.PROGRESSING, "this process is no leader any more")

    with pytest.raises(NotYet):
        passed(replace(place.access(), fence=fence), place.name, want(table("SELECT")))
    before = len(place.sent())
    answer = place.answer(want(table("SELECT")))

    assert (answer.problems, answer.observed.missing) == ((), 0)
    assert (answer.granted, before > 0) == (52, True)


def test_a_deletion_of_what_is_in_a_dropped_schema_is_done(place: Place) -> None:
    place.sql("drop schema app cascade")

    answer = place.answer(GrantWant(NOTHING, caused(table("SELECT"), on_schema("USAGE"))))

    assert (answer.problems, answer.ledger, place.sent()) == ((), frozenset(), [])
