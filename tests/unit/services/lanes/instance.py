"""An instance of a users lane: its users in memory, what was asked of them, and what fails."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cloudsql_iam_operator.adapters.google.sqladmin import NewUser
from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.users.claims import UserClaim
from cloudsql_iam_operator.core.users.plan import (
    DatabaseUser,
    UserWant,
)
from cloudsql_iam_operator.core.users.principals import UserType
from cloudsql_iam_operator.services.lanes.retry import Retry
from cloudsql_iam_operator.services.lanes.user_wants import UserNeighbours
from cloudsql_iam_operator.services.lanes.users import UsersLane
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting.pace import Pace

ORDERS = ConnectionName("acme-prod", "europe-west1", "orders")
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Instance:
    """Users that remember what was asked, and fail as told."""

    present: dict[str, UserType] = field(default_factory=lambda: {"postgres": UserType.BUILT_IN})
    lists: int = 0
    written: list[str] = field(default_factory=list)
    failures: dict[str, list[Exception]] = field(default_factory=dict)
    at_once: int = 0

    def users(self, connection: ConnectionName) -> tuple[DatabaseUser, ...]:
        self.lists += 1
        return tuple(DatabaseUser(name, kind) for name, kind in self.present.items())

    def insert_user(self, connection: ConnectionName, user: NewUser) -> None:
        self._write("insert", user.name)
        self.present[user.name] = user.type

    def grant_roles(self, connection: ConnectionName, name: str, roles: frozenset[str]) -> None:
        self._write(f"grant {','.join(sorted(roles))}", name)

    def leave_roles(self, connection: ConnectionName, name: str, roles: frozenset[str]) -> None:
        self._write(f"leave {','.join(sorted(roles))}", name)

    def delete_user(self, connection: ConnectionName, name: str) -> None:
        self._write("delete", name)
        self.present.pop(name, None)

    def _write(self, what: str, name: str) -> None:
        self.at_once += 1
        assert self.at_once == 1, "one change at a time"
        self.at_once -= 1
        self.written.append(f"{what} {name}")
        if self.failures.get(name):
            raise self.failures[name].pop(0)


def key(number: int) -> Key:
    return Key("CloudSQLIAMUser", "orders", f"user-{number}")


def want(number: int) -> UserWant:
    return UserWant(UserClaim(f"u{number}@p.iam", CREATED, f"uid-{number}", str(key(number))), UserType.SERVICE_ACCOUNT)


NOBODY = UserNeighbours(dict)


def run(story: Callable[[UsersLane], Awaitable[None]], instance: Instance, neighbours: UserNeighbours = NOBODY) -> None:
    async def told() -> None:
        threads = Threads(2)
        pace, busy = Pace(quiet=0.01, longest=0.1), Retry(first=0.001, longest=0.002, total=0.01)
        try:
            await story(UsersLane(ORDERS, instance, threads, neighbours, pace=pace, busy=busy))
        finally:
            threads.close()

    asyncio.run(told())
