"""What a pass did for a DatabaseGrant, told as Events and in its status."""

from datetime import UTC, datetime

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.drift import Drift
from cloudsql_iam_operator.core.grants.desired.entries import RoleEntry
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from cloudsql_iam_operator.services.reconcilers.grant_events import GrantEvents
from cloudsql_iam_operator.services.reconcilers.grant_status import Named, status_fields
from cloudsql_iam_operator.services.reconcilers.layers import Layers
from support.granting.wording import caused, key, on_database, table

ONLY = key("only")
GIVEN_BACK = GrantAnswer(executed=("GRANT a",), granted=2, drift=Drift(2, 0, ("GRANT a",)))
TEXT = "gave back 2 privileges in 1 statement, 7 so far, that somebody had taken: GRANT a"


class Clock:
    """Seconds as a test sets them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def events(from_: GrantEvents, answer: GrantAnswer, of: Key = ONLY) -> tuple[tuple[str, str], ...]:
    layers = Layers()
    from_.announce(of, layers, answer, 7)
    return layers.report({}, 300.0).changes


def test_what_was_given_back_is_drift_and_not_granted() -> None:
    assert events(GrantEvents(), GIVEN_BACK) == (("DriftCorrected", TEXT),)


def test_what_was_granted_beside_drift_is_told_too() -> None:
    answer = GrantAnswer(executed=("GRANT a, b",), granted=3, drift=Drift(2, 1, ("GRANT a",)))

    assert events(GrantEvents(), answer) == (
        ("DriftCorrected", TEXT),
        ("Granted", "granted 1 privilege in 1 statement"),
    )


def test_drift_of_an_object_is_told_once_in_ten_minutes_and_counted_each_time() -> None:
    clock = Clock()
    telling = GrantEvents(clock)
    events(telling, GIVEN_BACK)

    clock.now += 599
    soon = events(telling, GIVEN_BACK)
    others = events(telling, GIVEN_BACK, key("other"))
    clock.now += 1
    later = events(telling, GIVEN_BACK)

    assert soon == (("DriftCorrected", ""),)
    assert others == later == (("DriftCorrected", TEXT),)


def test_an_object_that_was_made_again_is_told_its_drift_at_once() -> None:
    telling = GrantEvents(Clock())
    events(telling, GIVEN_BACK)

    telling.forget(ONLY)

    assert events(telling, GIVEN_BACK) == (("DriftCorrected", TEXT),)


def test_a_deletion_that_was_given_up_is_a_warning_that_tells_what_is_left() -> None:
    layers = Layers()
    tables = table("SELECT", names=("a", "b", "c", "d", "e", "f", "g"), to=("x", "y"))

    GrantEvents().gave_up(layers, caused(tables, on_database("CONNECT"), RoleEntry("reader", ("x",))))

    report = layers.report({}, 300.0)
    assert (report.changes, report.holds) == ((), True)
    assert report.warnings == (
        (
            "GivenUp",
            "the deletion was given up; left in force: CONNECT Database for x; MEMBER Membership reader for x; "
            "SELECT Table app.a, b, c, d, e and 2 more for x, y",
        ),
    )


def test_the_status_adds_up_drift_and_tells_the_last() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)

    fields = status_fields(GIVEN_BACK, Named({}, ()), {"drift": {"detected": 5, "lastTime": "x", "sample": []}}, at)

    assert fields["drift"] == {"detected": 7, "lastTime": "2026-01-02T03:04:05Z", "sample": ["GRANT a"]}


def test_the_status_has_nothing_new_of_drift_when_there_was_none() -> None:
    answer = GrantAnswer(executed=("GRANT a",), granted=1)

    fields = status_fields(answer, Named({}, ()), {"drift": {"detected": 5}}, datetime(2026, 1, 2, tzinfo=UTC))

    assert "drift" not in fields
