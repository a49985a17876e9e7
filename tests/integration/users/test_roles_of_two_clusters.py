"""Database roles of a user that two clusters declare, on a real PostgreSQL: neither takes what is the other's.

The table is by what each cluster declares x what happens in one of them, and where all versions are tried, x whether
their operators log in as one. No cluster knows what another declares: what both declare goes with who gave it, and is
given again by the other's next look.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product

import pytest

from cloudsql_iam_operator.api.names import Key
from integration.users.ground import held
from integration.users.happenings import CLUB, HAPPENINGS, SUPERUSER, Instance, played
from support.granting.setting import CLOUD_SQL, EVERY_GROUND, Place, Setting
from unit.services.authority.shared_user import World

LOGINS = {"as one": {"blue": "op", "green": "op"}, "each as itself": {"blue": "op", "green": "op_green"}}
"""As whom the operators of the clusters log in."""


@dataclass(frozen=True)
class Row:
    blue: str
    green: str
    """The role that each cluster declares, "" for none; blue makes the user, and green adopts it."""

    who: str
    happening: str
    logins: str

    @property
    def own(self) -> str:
        """What the cluster declares in which something happens."""
        return self.blue if self.who == "blue" else self.green

    @property
    def others(self) -> str:
        """What the other cluster declares."""
        return self.green if self.who == "blue" else self.blue

    @property
    def due(self) -> list[str]:
        """What is declared by somebody afterwards; whose access has ended keeps user and roles."""
        return sorted({self.own if self.happening == "expired" else "", self.others} - {""})

    @property
    def given_again(self) -> bool:
        """Whether what happens takes a role that the other cluster declares too: blue gave it, for it came first."""
        return self.who == "blue" and self.own == self.others and self.happening != "expired"

    @property
    def told(self) -> str:
        """What the other's object says afterwards: SQL gives an administrator no role, not even one that it has."""
        return "RoleNotAllowed" if set(self.due) == {CLUB, SUPERUSER} and self.who == "green" else "Succeeded"

    def __str__(self) -> str:
        declared = f"blue {self.blue or 'nothing'}, green {self.green or 'nothing'}"
        return f"{declared}: {self.who} {self.happening}, logged in {self.logins}"


DECLARED = (
    (CLUB, ""),
    ("", CLUB),
    (CLUB, CLUB),
    (SUPERUSER, ""),
    ("", SUPERUSER),
    (SUPERUSER, SUPERUSER),
    (CLUB, SUPERUSER),
)
"""By blue and by green. Who is an administrator already gets no role by SQL, so green declares none after blue's."""

ROWS = [
    row
    for row in (Row(*roles, *rest) for roles, *rest in product(DECLARED, LOGINS["as one"], HAPPENINGS, LOGINS))
    if row.logins == "as one" or EVERY_GROUND in os.environ
]


@dataclass(frozen=True)
class Outcome:
    """What the user held at first, when it had happened, when the other had looked again, and when that was gone too.

    `ready` is how the other's object stood then.
    """

    before: list[str]
    after: list[str]
    in_the_end: list[str]
    ready: str
    with_neither: list[str]


class Played:
    """One row on a server, with a database user of its own."""

    def __init__(self, row: Row, place: Place, username: str) -> None:
        self._row = row
        self._place = place
        self._username = username
        google = Instance(place)
        self._worlds = {
            name: World(google, name, way_in=partial(place.access, login)) for name, login in LOGINS[row.logins].items()
        }

    async def outcome(self) -> Outcome:
        row = self._row
        other = "green" if row.who == "blue" else "blue"
        try:
            keys = {name: await self._declared(name, role) for name, role in (("blue", row.blue), ("green", row.green))}
            before = self._held()
            HAPPENINGS[row.happening](self._worlds[row.who], keys[row.who])
            await self._worlds[row.who].rest(keys[row.who])
            after = self._held()
            await self._look_again(other, keys[other])
            in_the_end, ready = self._held(), self._worlds[other].ready(keys[other])[1]
            for name, key in keys.items():
                if key in self._worlds[name].bodies:
                    self._worlds[name].delete(key)
                    await self._worlds[name].rest(key)
            return Outcome(before, after, in_the_end, ready, self._held())
        finally:
            for world in self._worlds.values():
                world.close()

    async def _declared(self, cluster: str, role: str) -> Key:
        world = self._worlds[cluster]
        world.rules("orders", "orders", databaseRoles=[SUPERUSER, CLUB], allowAdoption=cluster == "green")
        world.accounts["orders", "x"] = f"{self._username}.gserviceaccount.com"
        adoption = "IfExists" if cluster == "green" else "Never"
        roles = [role] if role else []
        key = world.user("x", namespace="orders", databaseRoles=roles, adoptionPolicy=adoption)
        await world.rest(key)
        assert world.ready(key)[1] == "Succeeded", world.ready(key)
        return key

    async def _look_again(self, cluster: str, key: Key) -> None:
        """As once an interval: a new process has no earlier look."""
        self._worlds[cluster].restart()
        await self._worlds[cluster].rest(key)

    def _held(self) -> list[str]:
        return held(self._place, self._username)


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Mapping[Row, Outcome]]:
    """How all rows end."""
    with Setting(CLOUD_SQL) as setting:
        place = setting.place()
        place.sql("create role club; create role op_green login; grant app_owner, cloudsqlsuperuser to op_green")
        place.sql("grant club to op, op_green with admin option")
        yield asyncio.run(played(ROWS, lambda row, username: Played(row, place, username).outcome()))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_role_stays_with_the_cluster_that_declares_it_whatever_happens_in_the_other(
    outcomes: Mapping[Row, Outcome], row: Row
) -> None:
    outcome = outcomes[row]

    assert outcome.before == sorted({row.blue, row.green} - {""})
    assert outcome.after == ([] if row.given_again else row.due)
    assert outcome.in_the_end == row.due
    assert outcome.ready == row.told
    assert outcome.with_neither == []
