"""Every kind of thing that a user may own x every way of onOwnedObjects x by force or not, in two databases at once.

Told in PostgreSQL's own words, which are those of `pg_describe_object`; what one user owns touches no other's.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.reconcilers.users.visit import Visit
from integration.users.ground import ended
from support.granting.setting import CLOUD_SQL, Place, Setting

KINDS: Mapping[str, tuple[str, str]] = {
    "table": ("create table app.{name} (id integer)", "table app.{name}"),
    "identity column": ("create table app.{name} (id integer generated always as identity)", "table app.{name}"),
    "partitioned table": (
        "create table app.{name} (id integer) partition by list (id); "
        "create table app.{name}_p partition of app.{name} for values in (1)",
        "table app.{name}_p",
    ),
    "sequence": ("create sequence app.{name}", "sequence app.{name}"),
    "view": ("create view app.{name} as select 1 as one", "view app.{name}"),
    "materialized view": ("create materialized view app.{name} as select 1 as one", "materialized view app.{name}"),
    "function": ("create function app.{name}() returns integer language sql as 'select 1'", "function app.{name}()"),
    "procedure": ("create procedure app.{name}() language sql as 'select 1'", "app.{name}()"),
    "aggregate": ("create aggregate app.{name}(integer) (sfunc = int4pl, stype = integer)", "app.{name}(integer)"),
    "schema": ("create schema {name}", "schema {name}"),
    "enum": ("create type app.{name} as enum ('one')", "type app.{name}"),
    "domain": ("create domain app.{name} as integer", "type app.{name}"),
    "collation": ("create collation app.{name} (locale = 'C')", "collation app.{name}"),
    "text search dictionary": (
        "create text search dictionary app.{name} (template = simple)",
        "text search dictionary app.{name}",
    ),
    "publication": ("create publication {name}", "publication {name}"),
    "large object": ("select lo_create({number})", "large object {number}"),
    "default privileges": (
        "alter default privileges in schema app grant select on tables to y",
        "default privileges on new relations belonging to role {name} in schema app",
    ),
    "default privileges everywhere": (
        "alter default privileges grant usage on schemas to y",
        "default privileges on new schemas belonging to role {name}",
    ),
}
"""What makes one as the user whose `name` it has, and what PostgreSQL calls it."""

REASSIGN: dict[str, Any] = {"onOwnedObjects": "Reassign", "reassignOwnedTo": "app_owner"}
NUMBERS = itertools.count(100_001)


@dataclass(frozen=True)
class Leaver:
    """A user that owns something of one kind in each of two databases."""

    places: tuple[Place, Place]
    name: str
    number: int
    told: str

    @property
    def exists(self) -> bool:
        return bool(self.places[0].value(f"select count(*) from pg_roles where rolname = '{self.name}'"))

    def owners(self) -> set[str]:
        """Who owns now what it owned, in both databases; default privileges are told by whose objects they are for."""
        return {owner for place in self.places for owner in self._owners_in(place)}

    def _owners_in(self, place: Place) -> list[str]:
        found: list[str] = place.value(
            "select array(select distinct refobjid::regrole::text from pg_shdepend where deptype = 'o' "
            "and dbid = (select oid from pg_database where datname = current_database()) "
            f"and replace(pg_describe_object(classid, objid, objsubid), refobjid::regrole::text, '{self.name}') "
            f"like '%{self.told}%')"
        )
        return found


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[Place, Place]]:
    with Setting(CLOUD_SQL) as setting:
        places = setting.place(), setting.place()
        for place in places:
            place.sql(f"grant create on database {place.name} to app_owner")
        if places[0].version < 16:
            places[0].sql("alter role op createrole")
        yield places


@pytest.fixture
def leaver(places: tuple[Place, Place], request: pytest.FixtureRequest) -> Iterator[Leaver]:
    making, told = KINDS[request.param]
    number = next(NUMBERS)
    name = f"leaver{number}"
    places[0].sql(f"create role {name} login")
    if places[0].version >= 16:
        places[0].sql(f"grant {name} to op with admin option, inherit false, set false")
    for place in places:
        place.sql(f"grant create, usage on schema app to {name}; grant create on database {place.name} to {name}")
        place.sql(f"set role {name}; {making.format(name=name, number=number)}")
        place.sql(f"revoke all on schema app from {name}; revoke create on database {place.name} from {name}")
    leaver = Leaver(places, name, number, told.format(name=name, number=number))
    yield leaver
    for place in places:
        if leaver.exists:
            place.sql(f"drop owned by {name}")
        place.sql("alter default privileges for role app_owner in schema app revoke all on tables from y")
        place.sql("alter default privileges for role app_owner revoke all on schemas from y")
    if leaver.exists:
        places[0].sql(f"drop role {name}")


EVERY_KIND = pytest.mark.parametrize("leaver", KINDS, indirect=True)
BY_FORCE_OR_NOT = pytest.mark.parametrize("force", [False, True], ids=["as declared", "by force"])


def warnings(seen: Visit) -> dict[str, str]:
    """Reasons and texts of the Events that nobody must miss."""
    return dict(seen.report().warnings)


@EVERY_KIND
@BY_FORCE_OR_NOT
def test_block_names_it_in_each_database_and_leaves_it_also_when_the_object_is_made_to_go(
    leaver: Leaver, *, force: bool
) -> None:
    _, seen, failure = ended(leaver.places[0], username=leaver.name, force=force)

    assert failure is not None
    assert failure.reason is Reason.OWNS_OBJECTS
    message = warnings(seen)["ForceRemoved"] if force else failure.message
    told = message.split("; ")
    for place in leaver.places:
        assert any(f"database {place.name}: " in one and f"{leaver.told} (owned)" in one for one in told), told
    assert seen.report().holds is force
    assert leaver.exists
    assert leaver.owners() == {leaver.name}


@EVERY_KIND
@BY_FORCE_OR_NOT
def test_reassign_gives_it_to_the_heir_in_each_database_and_deletes_the_user(leaver: Leaver, *, force: bool) -> None:
    lanes, seen, failure = ended(leaver.places[0], username=leaver.name, force=force, **REASSIGN)

    assert failure is None
    assert lanes.made == [f"delete {leaver.name}"] * 2
    assert not leaver.exists
    assert leaver.owners() == {"app_owner"}
    assert warnings(seen) == {}


@EVERY_KIND
@BY_FORCE_OR_NOT
def test_an_heir_that_is_not_allowed_gets_nothing_also_when_the_object_is_made_to_go(
    leaver: Leaver, *, force: bool
) -> None:
    _, seen, failure = ended(leaver.places[0], ("other",), leaver.name, force=force, **REASSIGN)

    assert failure is not None
    assert failure.reason is Reason.ROLE_NOT_ALLOWED
    assert seen.report().holds is force
    assert list(warnings(seen)) == (["ForceRemoved"] if force else [])
    assert leaver.exists
    assert leaver.owners() == {leaver.name}


@EVERY_KIND
@BY_FORCE_OR_NOT
def test_abandon_leaves_it_and_the_user(leaver: Leaver, *, force: bool) -> None:
    _, seen, failure = ended(leaver.places[0], username=leaver.name, force=force, onOwnedObjects="Abandon")

    assert failure is None
    assert leaver.exists
    assert leaver.owners() == {leaver.name}
    assert list(warnings(seen)) == ["UserLeft"]


@pytest.mark.parametrize("spec", [{}, REASSIGN], ids=str)
def test_a_database_of_its_own_is_told_or_goes_to_the_heir(places: tuple[Place, Place], spec: dict[str, Any]) -> None:
    place = places[0]
    place.sql("create role founder login")
    if place.version >= 16:
        place.sql("grant founder to op with admin option, inherit false, set false")
    place.sql("create database founded owner founder")

    _, _, failure = ended(place, username="founder", **spec)

    owner = place.value("select datdba::regrole::text from pg_database where datname = 'founded'")
    place.sql("drop database founded")
    place.sql("drop role if exists founder")
    if not spec:
        assert failure is not None
        assert "all databases: database founded (owned)" in failure.message
        assert owner == "founder"
        return
    assert (failure, owner) == (None, "app_owner")
