"""Passes while others change the same tables: nobody's migration fails because of us, and we come through."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg

from cloudsql_iam_operator.adapters.postgres.session import Limits
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.setting import Place
from support.granting.wording import key, table, want

LIMIT = 60.0


def test_a_table_locked_by_a_migration_is_given_up_and_the_others_are_granted(place: Place) -> None:
    place.limits = Limits(lock=50)
    with psycopg.connect(place.cluster.dsn(None, place.name)) as migration:
        migration.execute("alter table app.orders add column fresh integer")

        first = place.answer(want(table("SELECT")))
    second = place.answer(want(table("SELECT")))

    assert [problem.reason for problem in first.problems] == [Reason.PROGRESSING_WITH_RETRY]
    assert place.acl("app.items") == ["x=r/app_owner"]
    assert second.problems == ()
    assert place.acl("app.orders") == ["x=r/app_owner"]


def test_what_was_given_up_for_a_lock_is_tried_again_whatever_the_fingerprint(place: Place) -> None:
    place.limits = Limits(lock=20)
    only = key("a")
    with psycopg.connect(place.cluster.dsn(None, place.name)) as migration:
        migration.execute("lock table app.orders in access exclusive mode")
        first = place.run({only: want(table("SELECT", names=("orders",)))})

    assert first.memory is None
    assert not first.clean


def outlasting(place: Place, privilege: str) -> GrantAnswer:
    """What the pass says that gets through: one that met the other too often waits for the next."""
    for _ in range(10):
        answer = place.answer(want(table(privilege)))
        if not answer.problems:
            break
        assert {problem.reason for problem in answer.problems} == {Reason.PROGRESSING_WITH_RETRY}
    return answer


def test_grants_in_a_loop_by_somebody_else_are_outlasted(place: Place) -> None:
    stop = threading.Event()

    def contend() -> int:
        done = 0
        with psycopg.connect(place.cluster.dsn(None, place.name), autocommit=True) as other:
            while not stop.is_set():
                try:
                    other.execute("grant insert on app.orders, app.items to y")
                    done += 1
                except psycopg.errors.InternalError_:
                    continue
        return done

    with ThreadPoolExecutor(1) as pool:
        contender = pool.submit(contend)
        try:
            answers = [outlasting(place, privilege) for privilege in ("SELECT", "UPDATE", "DELETE", "TRUNCATE")]
        finally:
            stop.set()

        assert contender.result(LIMIT) > 0
    assert [answer.problems for answer in answers] == [()] * 4
    assert place.acl("app.orders") == ["x=rwdD/app_owner", "y=a/app_owner"]
