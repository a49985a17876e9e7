"""A real PostgreSQL with the lanes of a user's reconcile; the Admin API is the superuser, as it is on Cloud SQL."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.api.instance import AccessRule, CloudSQLInstance
from cloudsql_iam_operator.api.names import FORCE_REMOVE, INSTANCE, USER, Key
from cloudsql_iam_operator.api.parsing.objects import parse_instance, parse_user
from cloudsql_iam_operator.core.access.rules import Allowed
from cloudsql_iam_operator.core.errors import Failure, Refused
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.core.users.plan import GrantRoles, LeaveRoles, Ownership, UserStanding, UserWant
from cloudsql_iam_operator.core.users.principals import ResolvedPrincipal, UserType
from cloudsql_iam_operator.core.users.record import UserRecord, record_in
from cloudsql_iam_operator.services.identities.sessions import Sessions
from cloudsql_iam_operator.services.lanes.database import DatabaseLane, Passes
from cloudsql_iam_operator.services.lanes.user_wants import UserAnswer
from cloudsql_iam_operator.services.reconcilers.layers import Blocked, Layers
from cloudsql_iam_operator.services.reconcilers.users.ending import Ending, forced
from cloudsql_iam_operator.services.reconcilers.users.roles import DatabaseRoles
from cloudsql_iam_operator.services.reconcilers.users.visit import Declared, Visit
from cloudsql_iam_operator.services.runtime.registry import Live, Registry
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting.pace import Pace
from support.granting.setting import Place
from support.granting.wording import on_record
from unit.services.authority.ground import RULE, body

T = TypeVar("T")

USERNAME = "x"
KEY = Key(USER.name, "team", "checkout")


@dataclass
class Lanes:
    """The systems, as far as a user's parts ask them."""

    place: Place
    claims: Mapping[Key, Ledger] = field(default_factory=dict)
    remembered: list[Mapping[str, Any]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.threads = Threads(2)
        self.registry = Registry()
        self.cluster = self
        self._databases: dict[str, DatabaseLane] = {}

    async def way_in(self, instance: object) -> Access:
        return self.place.access()

    async def in_session(self, instance: object, database: str, function: Callable[..., T], *args: object) -> T:
        return await self.threads.call(function, self.place.access(), database, *args, timeout=60.0)

    async def database_lane(self, instance: object, database: str) -> DatabaseLane:
        if database not in self._databases:
            passes = Passes(self.threads, Sessions(2), Pace(quiet=0.0, longest=0.1))
            self._databases[database] = DatabaseLane(database, self.place.access, on_record(self.claims), passes)
        return self._databases[database]

    async def users_lane(self, instance: object) -> "Lanes":
        return self

    async def remember(self, live: Live, fields: Mapping[str, Any]) -> None:
        self.remembered.append(fields)

    async def gone(self, instance: object) -> bool:
        return False

    def abandon(self, key: Key, connection: str, username: str) -> None:
        self.made.append(f"abandon {username}")

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        return {"tier": "prod"}

    async def remove(self, key: Key, want: UserWant) -> UserAnswer:
        """What users.delete does."""
        self.made.append(f"delete {want.claim.username}")
        try:
            self.place.sql(f"drop role {want.claim.username}")
        except psycopg.errors.DependentObjectsStillExist as error:
            raise Refused(Reason.OWNS_OBJECTS, "some objects depend on it") from error
        return UserAnswer(UserStanding(False, Ownership.NONE, frozenset()), None)

    async def make(self, key: Key, change: GrantRoles | LeaveRoles) -> None:
        """What users.update does."""
        self.made.append(str(change))
        if isinstance(change, LeaveRoles):
            leave(self.place, change.name, change.roles)
        for role in change.roles:
            self.place.sql(sql.SQL("grant {} to {}").format(*map(sql.Identifier, (role, change.name))).as_string(None))


def held(place: Place, username: str = USERNAME) -> list[str]:
    """Roles that a user is a member of, by whoever granted them, sorted."""
    found = "select r.rolname::text from pg_auth_members m join pg_roles r on r.oid = m.roleid"
    with psycopg.connect(place.cluster.dsn()) as connection:
        asked = f"{found} join pg_roles u on u.oid = m.member where u.rolname = %s".encode()
        return sorted({role for (role,) in connection.execute(asked, (username,))})


def leave(place: Place, username: str, roles: frozenset[str]) -> None:
    """Take all roles but these from a user as Google does, whoever granted them."""
    found = (
        "select roleid::regrole::text, grantor::regrole::text "
        "from pg_auth_members m join pg_roles r on r.oid = m.member"
    )
    with psycopg.connect(place.cluster.dsn(), autocommit=True) as connection:
        for role, grantor in connection.execute(f"{found} where rolname = %s".encode(), (username,)).fetchall():
            if role not in roles:
                words = sql.SQL("revoke {} from {}").format(*map(sql.Identifier, (role, username)))
                by = sql.SQL(" granted by {}").format(sql.Identifier(grantor)) if place.version >= 16 else sql.SQL("")
                connection.execute(words + by)


def visit(record: UserRecord | None = None, *, force: bool = False, **more: Any) -> Visit:
    """A reconcile of the user, as recorded so far; `force`: somebody ends its deletion so. `more` is of its spec."""
    at_first = UserRecord(
        instance="acme:eu:orders",
        instance_name="orders",
        member="user:x",
        username=USERNAME,
        user_type=UserType.USER.value,
        ownership=Ownership.CREATED,
    )
    spec = {"instanceRef": {"name": "orders"}, "principal": {"user": "x@acme.com"}, **more}
    told = body(USER.name, "checkout", spec, annotations={FORCE_REMOVE: "true"} if force else {})
    return Visit(Live.of(KEY, told, parse_user(told)), Layers(), record or at_first)


def declared(*roles: str, listed: tuple[str, ...] = ("*",), users: Sequence[str] = (), **spec: Any) -> Declared:
    """The user as it is declared with these database roles, under a rule that lists some, and lets some users in."""
    rule = {**RULE, "databaseRoles": list(listed), "principals": {"users": list(users)}}
    instance = parse_instance(
        body(INSTANCE.name, "orders", {"connectionName": "acme:eu:orders", "access": [rule]}),
    )
    told = {"instanceRef": {"name": "orders"}, "principal": {"user": "x@acme.com"}, "databaseRoles": list(roles)}
    user = parse_user(body(USER.name, "checkout", {**told, **spec}))
    first: AccessRule = instance.access[0]
    who = ResolvedPrincipal("user:x", USERNAME, UserType.USER, "x@acme.com")
    return Declared(user, instance, who, Allowed(first.name, may_adopt=False))


def restarted(visit: Visit) -> UserRecord:
    """The record as a new process reads it from the status."""
    return record_in(visit.record.fields())


def ended(
    place: Place,
    listed: tuple[str, ...] = ("app_owner",),
    username: str = "leaver",
    *,
    force: bool = False,
    **spec: Any,
) -> tuple[Lanes, Visit, Failure | None]:
    """The end of a user: what was asked of the API, what was found, and why the database user stays."""
    lanes, seen = Lanes(place), visit(None, force=force, **spec)
    seen.record = replace(seen.record, username=username, member="user:x@acme.com")

    async def to_nobody(visit: Visit, instance: CloudSQLInstance) -> bool:
        return False

    async def told() -> Failure | None:
        instance = declared(listed=listed, users=["x@acme.com"]).instance
        dropped = Ending(lanes, DatabaseRoles(lanes)).drop(seen, instance, to_nobody)  # type: ignore[arg-type] # a few lines
        try:
            await seen.layers.hold(ConditionType.USER_READY, dropped)
        except Blocked as blocked:
            return blocked.__cause__ if isinstance(blocked.__cause__, Failure) else None
        finally:
            lanes.threads.close()
        return None

    failure = asyncio.run(told())
    return lanes, forced(seen, lanes.registry), failure
