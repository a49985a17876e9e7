"""The end of a user that owns something, by each way of onOwnedObjects, on a real PostgreSQL."""

from collections.abc import Iterator
from typing import Any

import pytest

from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.plan import Ownership
from integration.users.ground import ended
from support.granting.setting import Place

REASSIGN: dict[str, Any] = {"onOwnedObjects": "Reassign", "reassignOwnedTo": "app_owner"}


@pytest.fixture
def leaver(place: Place) -> Iterator[Place]:
    """A user that owns 25 tables, and that the operator may make itself a member of."""
    place.sql("create role leaver login")
    for number in range(25):
        place.sql(f"create table app.t{number:02} (id integer); alter table app.t{number:02} owner to leaver")
    if place.version >= 16:
        place.sql("grant leaver to op with admin option, inherit false, set false")
    else:
        place.sql("alter role op createrole")
    yield place
    place.sql("alter role op nocreaterole")
    if place.value("select count(*) from pg_roles where rolname = 'leaver'"):
        place.sql("drop owned by leaver; drop role leaver")


def exists(place: Place) -> bool:
    return bool(place.value("select count(*) from pg_roles where rolname = 'leaver'"))


def test_block_keeps_the_user_and_names_twenty_of_its_things_and_how_many_more(leaver: Place) -> None:
    lanes, seen, failure = ended(leaver)

    assert failure is not None
    assert failure.reason is Reason.OWNS_OBJECTS
    assert f"database {leaver.name}: table app.t00 (owned), " in failure.message
    assert failure.message.count("(owned)") == 20
    assert "and 5 more; give the objects another owner" in failure.message
    assert (exists(leaver), lanes.made) == (True, ["delete leaver"])
    assert seen.record.ownership is Ownership.CREATED


def test_reassign_gives_all_to_the_heir_and_deletes_the_user(leaver: Place) -> None:
    lanes, seen, failure = ended(leaver, **REASSIGN)

    assert failure is None
    assert not exists(leaver)
    assert leaver.value("select count(*) from pg_tables where tableowner = 'app_owner' and tablename like 't__'") == 25
    assert lanes.made == ["delete leaver", "delete leaver"]
    assert [reason for reason, _ in seen.report().changes] == ["Reassigned", "Deleted"]


def test_reassign_leaves_what_others_granted_and_names_it(leaver: Place) -> None:
    leaver.sql("grant usage on schema app to leaver")

    _, _, failure = ended(leaver, **REASSIGN)

    assert failure is not None
    assert failure.reason is Reason.OWNS_OBJECTS
    assert f"database {leaver.name}: schema app (privileges)" in failure.message
    assert exists(leaver)


@pytest.mark.parametrize("listed", [(), ("*",), ("app_*",)])
def test_an_heir_that_no_rule_names_in_full_gets_nothing(leaver: Place, listed: tuple[str, ...]) -> None:
    _, _, failure = ended(leaver, listed, **REASSIGN)

    assert failure is not None
    assert failure.reason is Reason.ROLE_NOT_ALLOWED
    assert leaver.value("select tableowner from pg_tables where tablename = 't00'") == "leaver"


def test_abandon_leaves_the_user_with_its_things_and_says_so(leaver: Place) -> None:
    lanes, seen, failure = ended(leaver, onOwnedObjects="Abandon")

    assert failure is None
    assert exists(leaver)
    assert lanes.made == ["delete leaver", "abandon leaver"]
    assert seen.record.ownership is Ownership.NONE
    ((reason, text),) = seen.report().warnings
    assert (reason, "leaver owns objects and stays, without access" in text) == ("UserLeft", True)
