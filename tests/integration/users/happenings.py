"""An instance on a real server, and what may happen to one of several objects that declare a user of it."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql

from cloudsql_iam_operator.adapters.google.sqladmin import NewUser
from cloudsql_iam_operator.api.names import INSTANCE, Key
from integration.users.ground import leave
from support.granting.setting import Place
from unit.services.authority.shared_user import Google, World

R = TypeVar("R", bound=Hashable)
T = TypeVar("T")

AT_A_TIME = 24
"""Rows that play at once: each has sessions of its own."""

SUPERUSER = "cloudsqlsuperuser"
CLUB = "club"
"""Database roles: one that the Admin API alone gives, and one that SQL gives."""

PAST = "2026-01-01T00:00:00Z"


async def played(rows: Sequence[R], outcome: Callable[[R, str], Awaitable[T]]) -> dict[R, T]:
    """How each row ends for a user of its own, all at once: each waits for its lanes most of the time."""
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(number: int, row: R) -> T:
        async with gate:
            return await outcome(row, f"u{number}x@acme.iam")

    told = await asyncio.gather(*(one(number, row) for number, row in enumerate(rows)))
    return dict(zip(rows, told, strict=True))


class Instance(Google):
    """The Admin API as the superuser of a real server, as it is on Cloud SQL."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def insert_user(self, connection: object, user: NewUser) -> None:
        self._run("create role {} login", user.name)
        self.grant(user.name, user.roles)
        super().insert_user(connection, user)

    def delete_user(self, connection: object, name: str) -> None:
        self._run("drop role if exists {}", name)
        super().delete_user(connection, name)

    def grant_roles(self, connection: object, name: str, roles: frozenset[str]) -> None:
        self.grant(name, roles)
        super().grant_roles(connection, name, roles)

    def leave_roles(self, connection: object, name: str, roles: frozenset[str]) -> None:
        leave(self._place, name, roles)
        super().leave_roles(connection, name, roles)

    def grant(self, name: str, roles: frozenset[str]) -> None:
        for role in roles:
            self._run("grant {} to {}", role, name)

    def _run(self, words: LiteralString, *names: str) -> None:
        with psycopg.connect(self._place.cluster.dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL(words).format(*map(sql.Identifier, names)))


def deleted(world: World, key: Key) -> None:
    world.delete(key)


def narrowed(world: World, key: Key) -> None:
    world.show(key, {**world.bodies[key]["spec"], "databaseRoles": []})


def rule_narrowed(world: World, key: Key) -> None:
    _rule(world, key, databaseRoles=["other"])


def withdrawn(world: World, key: Key) -> None:
    _rule(world, key, namespaces={"names": ["nobodys"]})


def expired(world: World, key: Key) -> None:
    world.show(key, {**world.bodies[key]["spec"], "expiresAt": PAST})


HAPPENINGS: Mapping[str, Callable[[World, Key], None]] = {
    happening.__name__: happening for happening in (deleted, narrowed, rule_narrowed, withdrawn, expired)
}


def _rule(world: World, key: Key, **fields: Any) -> None:
    """Change the access rule of the instance that an object names."""
    name = world.bodies[key]["spec"]["instanceRef"]["name"]
    (rule,) = world.bodies[Key(INSTANCE.name, "", name)]["spec"]["access"]
    world.rules(name, **{**rule, **fields})
