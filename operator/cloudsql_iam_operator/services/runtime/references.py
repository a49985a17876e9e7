"""Which objects name which: kept while objects come and go, so that nobody walks through all to find a few."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

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
        self._on: defaultdict[str, _Index[str]] = defaultdict(_Index)
        self._to: _Index[Key] = _Index()
        self._at: defaultdict[str, _Index[str]] = defaultdict(_Index)

    def on(self, kind: str, instance: str) -> tuple[Key, ...]:
        """Objects of the kind that declare the CloudSQLInstance, or were admitted on it."""
        return self._on[kind].keys(instance)

    def to(self, user: Key) -> tuple[Key, ...]:
        """DatabaseGrants that declare the CloudSQLIAMUser as a grantee, or record something given to it."""
        return self._to.keys(user)

    def at(self, kind: str, place: str) -> tuple[Key, ...]:
        """Objects of the kind that record something in a project, an instance or a database user."""
        return self._at[kind].keys(place)

    def replace(self, key: Key, before: Named, after: Named) -> None:
        """The object of that key, which named `before`, names `after` now."""
        if before == after:
            return
        self._on[key.kind].replace(key, before.instances, after.instances)
        self._to.replace(key, before.users, after.users)
        self._at[key.kind].replace(key, before.places, after.places)


class _Index(Generic[P]):
    """Keys by what they name. What one alone names has that key itself, for a dict of one takes 232 bytes."""

    def __init__(self) -> None:
        self._keys: dict[P, Key | dict[Key, None]] = {}

    def keys(self, place: P) -> tuple[Key, ...]:
        there = self._keys.get(place, {})
        return (there,) if isinstance(there, Key) else tuple(there)

    def replace(self, key: Key, before: frozenset[P], after: frozenset[P]) -> None:
        for place in before - after:
            self._drop(place, key)
        for place in after - before:
            self._add(place, key)

    def _add(self, place: P, key: Key) -> None:
        there = self._keys.setdefault(place, key)
        if not isinstance(there, Key):
            there[key] = None
        elif there != key:
            self._keys[place] = {there: None, key: None}

    def _drop(self, place: P, key: Key) -> None:
        there = self._keys[place]
        if isinstance(there, Key) or len(there) == 1:
            del self._keys[place]
        else:
            del there[key]


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
