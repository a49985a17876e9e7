"""Passes over a real PostgreSQL: what is sent, what is then held, and what is said."""

from cloudsql_iam_operator.api.grant import Enforcement
from cloudsql_iam_operator.core.grants.decided.counts import Observed
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.ledger import granted, of_roles
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.setting import Place
from support.granting.wording import NOTHING, caused, key, on_database, on_schema, table, want


def test_a_first_pass_grants_what_is_declared_and_a_second_writes_nothing(place: Place) -> None:
    wanted = want(on_database("CONNECT"), on_schema("USAGE"), table("SELECT"), table("INSERT", names=("orders",)))

    first = place.answer(wanted)
    sent = place.sent()
    before = place.cluster.wal_position()
    second = place.answer(want(*wanted.entries.privileges, ledger=first.ledger))
    after = place.cluster.wal_position()

    assert first.problems == ()
    assert first.observed == Observed(desired=5, held=5)
    assert place.acl("app.orders") == ["x=ar/app_owner"]
    assert place.acl("app.items") == ["x=r/app_owner"]
    assert sent == [
        f'GRANT CONNECT ON DATABASE "{place.name}" TO "x"',
        'GRANT USAGE ON SCHEMA "app" TO "x"',
        'LOCK TABLE ONLY "app"."items" IN ROW EXCLUSIVE MODE',
        'GRANT SELECT ON TABLE "app"."items" TO "x"',
        'LOCK TABLE ONLY "app"."orders" IN ROW EXCLUSIVE MODE',
        'GRANT INSERT, SELECT ON TABLE "app"."orders" TO "x"',
    ]
    assert second.executed == ()
    assert after == before
    assert place.sent() == sent


def test_one_new_table_under_a_wildcard_is_one_grant_naming_one_table(place: Place) -> None:
    wanted = want(table("SELECT", to=("x", "y")))
    place.answer(wanted)
    place.sql("set role app_owner; create table app.fresh ()")

    answer = place.answer(wanted)

    assert answer.executed == ('GRANT SELECT ON TABLE "app"."fresh" TO "x", "y"',)


def test_a_wildcard_over_an_empty_schema_is_satisfied(place: Place) -> None:
    place.sql("create schema bare authorization app_owner")

    answer = place.answer(want(table("SELECT", schema="bare")))

    assert (answer.problems, answer.executed) == ((), ())


def test_what_is_missing_waits_by_name_while_the_rest_is_applied(place: Place) -> None:
    wanted = want(
        table("SELECT", schema="nowhere"),
        table("SELECT", names=("orders", "unborn")),
        on_schema("USAGE", to=("x", "nobody_yet")),
    )

    answer = place.answer(wanted)

    assert place.acl("app.orders") == ["x=r/app_owner"]
    assert [(problem.reason, problem.message) for problem in answer.problems] == [
        (Reason.OBJECT_NOT_FOUND, f"schema 'nowhere' does not exist in database '{place.name}'"),
        (Reason.OBJECT_NOT_FOUND, "Table unborn does not exist in schema 'app'"),
        (Reason.ROLE_NOT_FOUND, "role 'nobody_yet' does not exist yet"),
    ]
    assert [(grantee.role, grantee.exists) for grantee in answer.grantees] == [("nobody_yet", False), ("x", True)]


def test_the_narrowed_part_of_a_wildcard_is_revoked_and_the_rest_is_left_alone(place: Place) -> None:
    first = place.answer(want(table("SELECT")))

    second = place.answer(want(table("SELECT", names=("orders",)), ledger=first.ledger))

    assert second.executed == ('REVOKE SELECT ON TABLE "app"."items" FROM "x"',)
    assert place.acl("app.orders") == ["x=r/app_owner"]
    assert granted(second.ledger) == caused(table("SELECT", names=("orders",)))


def test_deleting_one_of_two_overlapping_objects_revokes_only_what_the_other_does_not_want(place: Place) -> None:
    reads = want(table("SELECT"))
    writes = want(table("SELECT", "INSERT", names=("orders",)))
    place.run({key("reads"): reads, key("writes"): writes})

    gone = GrantWant(NOTHING, caused(table("SELECT")))
    passed = place.run({key("reads"): gone, key("writes"): writes})

    answer = passed.answers[key("reads")]
    assert isinstance(answer, GrantAnswer)
    assert answer.executed == ('REVOKE SELECT ON TABLE "app"."items" FROM "x"',)
    assert (answer.problems, answer.ledger) == ((), frozenset())
    assert place.acl("app.orders") == ["x=ar/app_owner"]


def test_two_deletions_in_one_pass_are_one_statement(place: Place) -> None:
    place.run({key("a"): want(table("SELECT")), key("b"): want(table("SELECT", to=("y",)))})
    before = len(place.sent())

    place.run(
        {
            key("a"): GrantWant(NOTHING, caused(table("SELECT"))),
            key("b"): GrantWant(NOTHING, caused(table("SELECT", to=("y",)))),
        }
    )

    assert place.sent()[before:] == [
        'LOCK TABLE ONLY "app"."items", "app"."orders" IN ROW EXCLUSIVE MODE',
        'REVOKE SELECT ON TABLE "app"."items", "app"."orders" FROM "x", "y"',
    ]


def test_what_a_live_object_claims_stays_until_that_object_was_looked_at(place: Place) -> None:
    place.answer(want(table("SELECT", "UPDATE")))

    passed = place.run(
        {key("a"): GrantWant(NOTHING, caused(table("SELECT", "UPDATE")))}, {key("b"): caused(table("SELECT"))}
    )

    answer = passed.answers[key("a")]
    assert isinstance(answer, GrantAnswer)
    assert answer.executed == ('REVOKE UPDATE ON TABLE "app"."items", "app"."orders" FROM "x"',)
    assert place.acl("app.items") == ["x=r/app_owner"]


def test_a_privilege_that_somebody_else_granted_is_counted_and_left(place: Place) -> None:
    wanted = want(table("SELECT", names=("orders",)))
    place.answer(wanted)
    place.sql("set role app_owner; grant delete on app.orders to x")

    answer = place.answer(want(table("SELECT", names=("orders",)), ledger=caused(table("SELECT", names=("orders",)))))

    assert answer.executed == ()
    assert answer.observed == Observed(desired=1, held=1, foreign=1)


def test_additive_takes_nothing_back_when_it_is_narrowed(place: Place) -> None:
    first = place.answer(want(table("SELECT", "UPDATE"), how=Enforcement.ADDITIVE))

    second = place.answer(want(table("SELECT"), ledger=first.ledger, how=Enforcement.ADDITIVE))

    assert second.executed == ()
    assert granted(second.ledger) == caused(table("SELECT", "UPDATE"), table("SELECT"))


def test_exclusive_revokes_what_nobody_declares_and_leaves_other_roles_alone(place: Place) -> None:
    place.sql("set role app_owner; grant delete on app.orders to x, y; grant usage on schema app to x")
    other = want(on_schema("USAGE"))

    passed = place.run({key("a"): want(table("SELECT"), how=Enforcement.EXCLUSIVE), key("b"): other})

    answer = passed.answers[key("a")]
    assert isinstance(answer, GrantAnswer)
    assert answer.executed == (
        'GRANT SELECT ON TABLE "app"."items", "app"."orders" TO "x"',
        'REVOKE DELETE ON TABLE "app"."orders" FROM "x"',
    )
    assert place.acl("app.orders") == ["x=r/app_owner", "y=d/app_owner"]


def test_drift_is_mended_with_one_statement(place: Place) -> None:
    wanted = want(table("SELECT"))
    only = key("a")
    first = place.run({only: wanted})
    place.sql("set role app_owner; revoke select on app.items from x")

    second = place.run({only: wanted}, memory=first.memory)

    answer = second.answers[only]
    assert isinstance(answer, GrantAnswer)
    assert answer.executed == ('GRANT SELECT ON TABLE "app"."items" TO "x"',)


def test_a_dry_object_says_what_it_would_do_and_does_nothing(place: Place) -> None:
    entries = want(table("SELECT")).entries

    first = place.answer(GrantWant(entries, dry=True))
    second = place.answer(GrantWant(entries, dry=True))

    assert first.planned == ('GRANT SELECT ON TABLE "app"."items", "app"."orders" TO "x"',)
    assert first.plan_hash == second.plan_hash
    assert place.acl("app.orders") == []
    assert first.ledger == frozenset()


def test_a_missing_database_is_waited_for_and_ends_a_deletion(place: Place) -> None:
    place.name = "never_made"

    passed = place.run({key("a"): want(table("SELECT")), key("b"): GrantWant(NOTHING, caused(table("SELECT")))})

    failure, done = passed.answers[key("a")], passed.answers[key("b")]
    assert "database 'never_made' does not exist" in str(failure)
    assert str(failure).startswith("DatabaseNotFound")
    assert done == GrantAnswer()


def test_a_dropped_role_ends_its_part_of_a_deletion(place: Place) -> None:
    answer = place.answer(GrantWant(NOTHING, caused(table("SELECT", to=("long_gone",)))))

    assert (answer.problems, answer.executed, answer.ledger) == ((), (), frozenset())


def test_every_writing_transaction_is_fenced(place: Place) -> None:
    place.answer(want(table("SELECT")))

    assert place.fences == 1


def test_what_only_a_dry_object_wants_is_not_done_along_with_what_another_wants(place: Place) -> None:
    dry = GrantWant(want(table("SELECT", "INSERT", names=("orders",))).entries, dry=True)

    passed = place.run({key("dry"): dry, key("live"): want(table("SELECT", names=("orders",)))})

    said = passed.answers[key("dry")]
    assert isinstance(said, GrantAnswer)
    assert said.planned == ('GRANT INSERT ON TABLE "app"."orders" TO "x"',)
    assert place.acl("app.orders") == ["x=r/app_owner"]


def test_what_is_to_be_left_as_it_is_is_neither_given_nor_taken(place: Place) -> None:
    both = want(table("SELECT", to=("x", "y")))
    first = place.answer(both)
    left = of_roles(first.ledger, lambda role: role == "y")

    waiting = place.answer(GrantWant(want(table("SELECT")).entries, first.ledger, held=left))
    known = place.answer(GrantWant(want(table("SELECT")).entries, waiting.ledger))

    assert (waiting.executed, waiting.ledger) == ((), first.ledger)
    assert known.executed == ('REVOKE SELECT ON TABLE "app"."items", "app"."orders" FROM "y"',)
