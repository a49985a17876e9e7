"""Database roles of users on a real PostgreSQL: what is given, given back and taken, and what is left alone."""

import asyncio
from collections.abc import Iterator

import pytest

from cloudsql_iam_operator.api.names import GRANT, Key
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.grants.desired.ledger import membership
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.record import UserRecord
from cloudsql_iam_operator.services.reconcilers.users.roles import DatabaseRoles
from cloudsql_iam_operator.services.reconcilers.users.visit import Declared, Visit
from integration.users.ground import USERNAME, Lanes, declared, restarted, visit
from support.granting.setting import Place

CLUBS = "".join(f"create role {name}; grant {name} to op with admin option;" for name in ("club", "den"))


@pytest.fixture
def clubs(place: Place) -> Iterator[Place]:
    place.sql(CLUBS)
    yield place
    place.sql(f"drop role club; drop role den; revoke cloudsqlsuperuser, stranger from {USERNAME}")


def member_of(place: Place) -> list[str]:
    found: list[str] = place.value(
        "select array(select roleid::regrole::text from pg_auth_members "
        f"where member = '{USERNAME}'::regrole order by 1)"
    )
    return found


def settled(place: Place, asked: Declared, record: UserRecord | None = None, lanes: Lanes | None = None) -> Visit:
    """One reconcile of the roles by a new process."""

    async def told() -> Visit:
        systems, seen = lanes or Lanes(place), visit(record)
        try:
            await DatabaseRoles(systems).settle(seen, asked)  # type: ignore[arg-type] # a few lines
        finally:
            systems.threads.close()
        return seen

    return asyncio.run(told())


def changes(seen: Visit) -> list[str]:
    return [reason for reason, _ in seen.report().changes]


def test_roles_are_given_and_recorded_before_they_are_and_then_nothing_is_written(clubs: Place) -> None:
    lanes = Lanes(clubs)

    first = settled(clubs, declared("club", "den"), lanes=lanes)
    again = settled(clubs, declared("club", "den"), restarted(first))

    assert member_of(clubs) == ["club", "den"]
    assert lanes.remembered[0]["databaseRoles"] == ["club", "den"]
    assert (changes(first), changes(again)) == (["Granted"], [])
    assert again.record.roles == {"club", "den"}


def test_a_role_that_somebody_takes_is_given_back(clubs: Place) -> None:
    first = settled(clubs, declared("club", "den"))
    clubs.sql("revoke club from x" + (" granted by op" if clubs.version >= 16 else ""))

    again = settled(clubs, declared("club", "den"), restarted(first))

    assert member_of(clubs) == ["club", "den"]
    assert again.record.roles == {"club", "den"}


def test_narrowing_takes_what_was_given_here_and_nothing_else(clubs: Place) -> None:
    clubs.sql("grant stranger to x")
    first = settled(clubs, declared("club", "den"))

    narrowed = settled(clubs, declared("den"), restarted(first))
    nothing = settled(clubs, declared(), restarted(narrowed))

    assert member_of(clubs) == ["stranger"]
    assert [set(seen.record.roles) for seen in (narrowed, nothing)] == [{"den"}, set()]
    assert [changes(seen) for seen in (narrowed, nothing)] == [["Revoked"], ["Revoked"]]


def test_a_role_that_the_user_had_before_is_never_taken(clubs: Place) -> None:
    clubs.sql("grant club to x" + (" granted by op" if clubs.version >= 16 else ""))

    first = settled(clubs, declared("club", "den"))
    nothing = settled(clubs, declared(), restarted(first))

    assert first.record.roles == {"den"}
    assert member_of(clubs) == ["club"]
    assert nothing.record.roles == frozenset()
    clubs.sql("revoke club from x" + (" granted by op" if clubs.version >= 16 else ""))


def test_a_role_that_a_grant_declares_too_outlives_the_user(clubs: Place) -> None:
    first = settled(clubs, declared("club"))
    other = Lanes(clubs, {Key(GRANT.name, "team", "other"): frozenset({membership(USERNAME, "club")})})

    settled(clubs, declared(), restarted(first), other)

    assert member_of(clubs) == ["club"]


@pytest.mark.parametrize(
    ("role", "listed", "reason"),
    [
        ("no_such_role", "*", Reason.ROLE_NOT_FOUND),
        ("op", "*", Reason.ROLE_NOT_ALLOWED),
        ("app_owner", "*", Reason.ROLE_NOT_ALLOWED),
        ("pg_write_server_files", "pg_write_server_files", Reason.ROLE_NOT_ALLOWED),
        ("stranger", "*", Reason.SQL_PERMISSION_DENIED),
    ],
)
def test_what_may_not_or_cannot_be_given_is_told_and_the_rest_is_given(
    clubs: Place, role: str, listed: str, reason: Reason
) -> None:
    with pytest.raises(Failure) as caught:
        settled(clubs, declared("club", role, listed=(listed, "club")))

    assert caught.value.reason is reason
    assert role in caught.value.message
    assert member_of(clubs) == ["club"]


def test_the_administrators_role_comes_and_goes_through_the_api_with_all_others_kept(clubs: Place) -> None:
    clubs.sql("grant stranger to x")
    lanes = Lanes(clubs)

    first = settled(clubs, declared("cloudsqlsuperuser", "club", listed=("cloudsqlsuperuser", "club")), lanes=lanes)
    had = member_of(clubs)
    back = Lanes(clubs)
    settled(clubs, declared("club"), restarted(first), back)

    assert had == ["cloudsqlsuperuser", "club", "stranger"]
    assert lanes.made == ["grant cloudsqlsuperuser, club to x"]
    assert back.made == ["leave club, stranger to x"]
    assert member_of(clubs) == ["club", "stranger"]


def test_what_came_through_the_api_goes_through_it(clubs: Place) -> None:
    clubs.sql("grant stranger to x")
    first = settled(clubs, declared("cloudsqlsuperuser", "club", "den", listed=("cloudsqlsuperuser", "*")))
    second = settled(clubs, declared("club", "den"), restarted(first))

    settled(clubs, declared("club"), restarted(second))

    assert member_of(clubs) == ["club", "stranger"]


def test_the_administrators_role_that_was_there_before_is_left(clubs: Place) -> None:
    clubs.sql("grant cloudsqlsuperuser to x")

    first = settled(clubs, declared("cloudsqlsuperuser", listed=("cloudsqlsuperuser",)))
    settled(clubs, declared(), restarted(first))

    assert first.record.roles == frozenset()
    assert member_of(clubs) == ["cloudsqlsuperuser"]


def test_what_the_api_cannot_be_told_to_keep_stops_it_from_taking(clubs: Place) -> None:
    first = settled(clubs, declared("cloudsqlsuperuser", listed=("cloudsqlsuperuser",)))
    clubs.sql("grant pg_monitor to x")

    with pytest.raises(Failure) as caught:
        settled(clubs, declared(), restarted(first))

    assert caught.value.reason is Reason.REVOKE_BLOCKED
    assert "pg_monitor" in caught.value.message
    assert member_of(clubs) == ["cloudsqlsuperuser", "pg_monitor"]
    clubs.sql("revoke pg_monitor from x")
