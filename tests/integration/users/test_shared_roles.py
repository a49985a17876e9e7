"""Database roles of a user that two objects declare, on a real PostgreSQL: what goes with one of them, and what stays.

The table is by which way a role is given x who declares it x what happens to one of them, and where all versions are
tried, x whether the process was started anew before. A role that whoever has the user declares is never written at all.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import pytest

from cloudsql_iam_operator.api.names import Key
from integration.users.ground import held
from integration.users.happenings import CLUB, HAPPENINGS, SUPERUSER, Instance, played
from support.granting.setting import CLOUD_SQL, EVERY_GROUND, Place, Setting
from unit.services.authority.shared_user import World

WAYS = {"by the API": SUPERUSER, "by membership": CLUB}
INSTANCES = {"old": "orders", "young": "again"}
"""CloudSQLInstances of one connection, by object."""


@dataclass(frozen=True)
class Row:
    way: str
    declared: str
    """By whom with the role: `one`, the older and only object; `both`; `the older` or `the younger` of two."""

    who: str
    happening: str
    restarted: bool

    @property
    def possible(self) -> bool:
        if self.restarted and EVERY_GROUND not in os.environ:
            return False
        if self.happening == "joined":
            return self.who == "old" and self.declared in {"both", "the younger"}
        return self.declared in {"both", "the older"} or (self.declared, self.who) == ("one", "old")

    @property
    def role(self) -> str:
        return WAYS[self.way]

    @property
    def owner(self) -> str:
        """Who has the user afterwards; "" when it is gone."""
        left = self.happening in {"deleted", "withdrawn", "expired"} and self.who == "old"
        if self.declared == "one":
            return "" if left and self.happening != "expired" else "old"
        return "young" if left else "old"

    @property
    def stays(self) -> bool:
        """Whether whoever has the user afterwards declares the role."""
        declares = {"one": {"old"}, "both": {"old", "young"}, "the older": {"old"}, "the younger": {"young"}}
        narrowed = self.happening in {"narrowed", "rule_narrowed"} and self.who == self.owner
        return self.owner in declares[self.declared] and not narrowed

    def __str__(self) -> str:
        return f"{self.way}-{self.declared}-{self.who} {self.happening}{'-restarted' * self.restarted}"


ROWS = [
    row
    for row in (
        Row(*one)
        for one in product(
            WAYS,
            ("one", "both", "the older", "the younger"),
            ("old", "young"),
            (*HAPPENINGS, "joined"),
            (False, True),
        )
    )
    if row.possible
]


@dataclass(frozen=True)
class Outcome:
    """How a row went: what the user held before and after, what was written about roles then, and how it ended."""

    before: list[str]
    after: list[str]
    written: list[str]
    recorded: Mapping[str, list[str]]
    users: set[str]
    left: set[str]


class Played:
    """One row on a server, with a database user of its own."""

    def __init__(self, row: Row, place: Place, username: str) -> None:
        self._row = row
        self._place = place
        self._username = username
        self._world = World(Instance(place), way_in=place.access)
        self._keys: dict[str, Key] = {}

    async def outcome(self) -> Outcome:
        world, row = self._world, self._row
        try:
            await self._begin()
            before = held(self._place, self._username)
            if row.restarted:
                world.restart()
            since, logged = len(world.google.written), self._place.cluster.log_size()
            if row.happening == "joined":
                self._declare("old")
            else:
                HAPPENINGS[row.happening](world, self._keys[row.who])
            await self._rest()
            await self._rest()  # what goes is let go of, and then taken by whoever has the user
            written = [one for one in world.google.written[since:] if one.split()[0] in {"grant", "leave", "insert"}]
            written += self._sent(logged)
            after, recorded, users = held(self._place, self._username), self._recorded(), set(world.google.users)
            await self._end()
            return Outcome(before, after, written, recorded, users, set(world.google.users))
        finally:
            world.close()

    async def _begin(self) -> None:
        for instance in INSTANCES.values():
            self._world.rules(instance, "orders", "billing", databaseRoles=[SUPERUSER, CLUB])
        if self._row.declared != "one":
            self._declare("young")
        if self._row.happening != "joined":
            self._declare("old")
        await self._rest()

    def _declare(self, name: str) -> None:
        namespace, age = ("orders", 2) if name == "old" else ("billing", 1)
        by = {"old": {"one", "both", "the older"}, "young": {"both", "the younger"}}
        roles = [self._row.role] if self._row.declared in by[name] else []
        self._world.accounts[namespace, name] = f"{self._username}.gserviceaccount.com"
        # of two lanes one sees what the other did only when it looks again
        instance = "orders" if self._row.happening == "joined" else INSTANCES[name]
        self._keys[name] = self._world.user(name, namespace=namespace, instance=instance, age=age, databaseRoles=roles)

    async def _rest(self) -> None:
        await self._world.rest(*self._keys.values())

    async def _end(self) -> None:
        for key in self._keys.values():
            if key in self._world.bodies:
                self._world.delete(key)
        await self._rest()

    def _recorded(self) -> dict[str, list[str]]:
        there = {name: key for name, key in self._keys.items() if key in self._world.bodies}
        roles = {name: self._world.status(key).get("databaseRoles") for name, key in there.items()}
        return {name: list(told) for name, told in roles.items() if told}

    def _sent(self, since: int) -> list[str]:
        """What the operator did to memberships of the user by SQL."""
        every = (one.sql for one in self._place.cluster.statements(since) if one.user == "op")
        return [text for text in every if self._username in text and text.lower().startswith(("grant", "revoke"))]


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Mapping[Row, Outcome]]:
    """How all rows end."""
    with Setting(CLOUD_SQL) as setting:
        place = setting.place()
        place.sql("create role club; grant club to op with admin option")
        yield asyncio.run(played(ROWS, lambda row, username: Played(row, place, username).outcome()))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_role_stays_unwritten_with_whoever_declares_it_and_goes_with_whoever_does_not(
    outcomes: Mapping[Row, Outcome], row: Row
) -> None:
    outcome = outcomes[row]

    assert outcome.before == [row.role]
    assert outcome.after == ([row.role] if row.stays else [])
    if row.stays:
        assert outcome.written == []
    assert outcome.recorded == ({row.owner: [row.role]} if row.stays else {})
    assert bool(outcome.users) is bool(row.owner)
    assert outcome.left == set()
