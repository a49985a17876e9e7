"""Which objects name which: kept while objects come and go, so that nobody walks through all to find a few."""

from collections.abc import Iterable
from typing import TypeVar

from cloudsql_iam_operator.api.grant import DatabaseGrant, UserRef
from cloudsql_iam_operator.api.names import USER, Key
from cloudsql_iam_operator.api.user import CloudSQLIAMUser

P = TypeVar("P")


class References:
    """By instance the keys that name it, by user the grants to it. Only readable objects refer to anything."""

    def __init__(self) -> None:
        self._on: dict[tuple[str, str], dict[Key, None]] = {}
        self._to: dict[Key, dict[Key, None]] = {}

    def on(self, kind: str, instance: str) -> tuple[Key, ...]:
        """Objects of the kind that name the CloudSQLInstance."""
        return tuple(self._on.get((kind, instance), ()))

    def to(self, user: Key) -> tuple[Key, ...]:
        """DatabaseGrants of which the CloudSQLIAMUser is a grantee."""
        return tuple(self._to.get(user, ()))

    def replace(self, key: Key, before: object, after: object) -> None:
        """The object of that key, which said `before`, says `after` now; None when there is none."""
        for place in _instances(key, before):
            _drop(self._on, place, key)
        for user in users_in(key, before):
            _drop(self._to, user, key)
        for place in _instances(key, after):
            self._on.setdefault(place, {})[key] = None
        for user in users_in(key, after):
            self._to.setdefault(user, {})[key] = None


def users_in(key: Key, spec: object) -> tuple[Key, ...]:
    """The users that a grant names as grantees."""
    if not isinstance(spec, DatabaseGrant):
        return ()
    names = dict.fromkeys(grantee.name for grantee in spec.grantees if isinstance(grantee, UserRef))
    return tuple(Key(USER.name, key.namespace, name) for name in names)


def _instances(key: Key, spec: object) -> Iterable[tuple[str, str]]:
    return [(key.kind, spec.instance)] if isinstance(spec, CloudSQLIAMUser | DatabaseGrant) else []


def _drop(index: dict[P, dict[Key, None]], place: P, key: Key) -> None:
    keys = index[place]
    del keys[key]
    if not keys:
        del index[place]
