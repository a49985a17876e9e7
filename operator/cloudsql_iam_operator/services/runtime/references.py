"""Which objects name which: kept while objects come and go, so that nobody walks through all to find a few."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from cloudsql_iam_operator.api.grant import DatabaseGrant, UserRef
from cloudsql_iam_operator.api.names import GRANT, INSTANCE, USER, Key

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Named:
    """What one object names: instances, by name, that it declares or was admitted on, and users likewise.

    `places` are the project, the instance, by connection name, and the database user in which it records something.
    """

    instances: frozenset[str] = frozenset()
    users: frozenset[Key] = frozenset()
    places: frozenset[str] = frozenset()


class References:
    """By instance the keys that name it, by user the grants to it."""

    def __init__(self) -> None:
        self._on: dict[tuple[str, str], dict[Key, None]] = {}
        self._to: dict[Key, dict[Key, None]] = {}
        self._at: dict[tuple[str, str], dict[Key, None]] = {}

    def on(self, kind: str, instance: str) -> tuple[Key, ...]:
        """Objects of the kind that declare the CloudSQLInstance, or were admitted on it."""
        return tuple(self._on.get((kind, instance), ()))

    def to(self, user: Key) -> tuple[Key, ...]:
        """DatabaseGrants that declare the CloudSQLIAMUser as a grantee, or record something given to it."""
        return tuple(self._to.get(user, ()))

    def at(self, kind: str, place: str) -> tuple[Key, ...]:
        """Objects of the kind that record something in a project, an instance or a database user."""
        return tuple(self._at.get((kind, place), ()))

    def replace(self, key: Key, before: Named, after: Named) -> None:
        """The object of that key, which named `before`, names `after` now."""
        if before == after:
            return
        for name in before.instances:
            _drop(self._on, (key.kind, name), key)
        for user in before.users:
            _drop(self._to, user, key)
        for place in before.places:
            _drop(self._at, (key.kind, place), key)
        for place in after.places:
            self._at.setdefault((key.kind, place), {})[key] = None
        for name in after.instances:
            self._on.setdefault((key.kind, name), {})[key] = None
        for user in after.users:
            self._to.setdefault(user, {})[key] = None


def named_by(key: Key, spec: object, status: Mapping[str, Any], instances: Iterable[str]) -> Named:
    """What an object names by spec and status; `instances` are those that it stands on."""
    if key.kind == INSTANCE.name:
        return Named()
    names, places = frozenset(name for name in instances if name), frozenset(_places(status))
    if key.kind != GRANT.name:
        return Named(names, places=places)
    users = users_in(key, spec) | {Key(USER.name, key.namespace, name) for name in held_by(status)}
    return Named(names, users, places)


def users_in(key: Key, spec: object) -> frozenset[Key]:
    """The users that a grant declares as grantees."""
    if not isinstance(spec, DatabaseGrant):
        return frozenset()
    return frozenset(Key(USER.name, key.namespace, one.name) for one in spec.grantees if isinstance(one, UserRef))


def held_by(status: Mapping[str, Any]) -> frozenset[str]:
    """Names of the users that a grant's status records something for."""
    return frozenset(str(one.get("user")) for one in status.get("holders", ()) if one.get("user"))


def user_place(connection: str, username: str) -> str:
    """The place of one database user; no connection name has a slash."""
    return f"{connection}/{username}"


def _places(status: Mapping[str, Any]) -> Iterator[str]:
    connection = str(status.get("instance") or "")
    if connection:
        yield from (connection, connection.rsplit(":", 2)[0])
        if status.get("username"):
            yield user_place(connection, str(status["username"]))


def _drop(index: dict[P, dict[Key, None]], place: P, key: Key) -> None:
    keys = index[place]
    del keys[key]
    if not keys:
        del index[place]
