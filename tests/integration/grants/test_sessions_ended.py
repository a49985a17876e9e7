"""Sessions that hold up a revocation: ended where the platform team allows it, and else left and told."""

import psycopg
import pytest

from cloudsql_iam_operator.adapters.postgres.session import Limits
from support.granting.holding import held, taken_back, told
from support.granting.setting import Place, Setting
from support.granting.wording import table, want

BOTH = table("SELECT", "UPDATE")


@pytest.fixture
def place(setting: Setting) -> Place:
    """A place where waiting is short, and x may get at the schema."""
    made = setting.place()
    made.limits = Limits(lock=100, patience=0.3)
    made.sql("grant usage on schema app to x")
    return made


def test_a_session_is_ended_where_that_is_allowed_and_for_a_revocation_only(place: Place) -> None:
    granted = place.answer(want(BOTH))
    place.sql("alter role op inherit; grant pg_signal_backend to op; grant app_owner to y")
    place.terminate_blockers = True
    try:
        with held(place, "set role app_owner; grant insert on app.orders to d", "y") as owner:
            refused = place.answer(want(BOTH, table("SELECT", to=("d",)), ledger=granted.ledger))
            alive = owner.session.execute("select 1").fetchone()
            gone = taken_back(place, granted)
            with pytest.raises(psycopg.OperationalError):
                owner.session.execute("select 1")
    finally:
        place.sql("revoke pg_signal_backend from op; revoke app_owner from y; alter role op noinherit")

    assert "waits for the session with pid" in told(refused)
    assert alive == (1,)
    assert (gone.problems, place.acl("app.orders")) == ((), [])


def test_a_session_that_may_not_be_ended_is_left_and_told(place: Place) -> None:
    granted = place.answer(want(BOTH))
    place.terminate_blockers = True

    with held(place, "grant insert on app.orders to d") as owner:
        gone = taken_back(place, granted)

        assert owner.session.execute("select 1").fetchone() == (1,)
    assert f"SELECT pg_terminate_backend({owner.pid}) ends it" in told(gone)


def test_no_session_is_ended_where_nothing_says_so(place: Place) -> None:
    granted = place.answer(want(BOTH))
    since = place.cluster.log_size()

    with held(place, "grant insert on app.orders to d"):
        taken_back(place, granted)

    assert not [one for one in place.cluster.statements(since) if "pg_terminate_backend" in one.sql]
