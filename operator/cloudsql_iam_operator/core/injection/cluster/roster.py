"""The users of one namespace, each joined with its instance and its grants; what stands as before is not joined again.

A namespace may hold thousands of both, and each change of one of them is followed by a question about some pod.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import compress
from operator import attrgetter, is_not
from typing import TypeVar

from cloudsql_iam_operator.api.grant import UserRef
from cloudsql_iam_operator.core.injection.cluster import reading
from cloudsql_iam_operator.core.injection.cluster.reading import SeenGrant, SeenUser
from cloudsql_iam_operator.core.injection.facts import InstanceFact, UserFact

T = TypeVar("T")
_NAME = attrgetter("name")


class Roster:
    """Users of one namespace, sorted by name. Belongs to one thread.

    Mappings that it is given are by name; none is changed later.
    """

    def __init__(self) -> None:
        self._users: Mapping[str, SeenUser] = {}
        self._grants: Mapping[str, SeenGrant] = {}
        self._instances: Mapping[str, InstanceFact | None] = {}
        self._given: dict[str, dict[str, SeenGrant]] = {}
        self._sorted: list[UserFact] = []
        self._acting: dict[str, datetime] = {}
        self._all: tuple[UserFact, ...] = ()

    def users(
        self,
        users: Mapping[str, SeenUser],
        grants: Mapping[str, SeenGrant],
        instances: Mapping[str, InstanceFact | None],
        now: datetime,
    ) -> tuple[UserFact, ...]:
        """All about the users; one that stands as before is the same object."""
        stale = {*_changed(self._users, users), *self._regranted(grants), *self._moved(instances)}
        stale.update(name for name, at in self._acting.items() if at <= now)
        self._users, self._instances = users, instances
        for name in stale:
            self._join(name, now)
        if stale:
            self._all = tuple(self._sorted)
        return self._all

    @property
    def acts_at(self) -> datetime | None:
        """When time alone changes one of them."""
        return min(self._acting.values(), default=None)

    def _join(self, name: str, now: datetime) -> None:
        """Put the fact about the user in its place, in that of the one before; or take that out."""
        at = bisect_left(self._sorted, name, key=_NAME)
        there = self._sorted[at : at + 1]
        end = at + 1 if there and there[0].name == name else at
        facts = [] if name not in self._users else [self._fact(self._users[name], now)]
        self._sorted[at:end] = facts
        self._acting.pop(name, None)
        self._acting.update((name, fact.acts_at) for fact in facts if fact.acts_at is not None)

    def _fact(self, seen: SeenUser, now: datetime) -> UserFact:
        given = self._given.get(seen.spec.metadata.key.name, {})
        return reading.fact(seen, self._instances.get(seen.spec.instance), given.values(), now)

    def _regranted(self, grants: Mapping[str, SeenGrant]) -> Iterator[str]:
        """Users whose grants are others than before."""
        for name in _changed(self._grants, grants):
            for user in _grantees(self._grants.get(name)):
                self._given[user].pop(name)
                if not self._given[user]:
                    del self._given[user]
                yield user
            for user in _grantees(grants.get(name)):
                self._given.setdefault(user, {})[name] = grants[name]
                yield user
        self._grants = grants

    def _moved(self, instances: Mapping[str, InstanceFact | None]) -> Iterator[str]:
        """Users whose instance is another than before."""
        others = set(_changed(self._instances, instances))
        if others:
            yield from (name for name, seen in self._users.items() if seen.spec.instance in others)


def _changed(before: Mapping[str, T], after: Mapping[str, T]) -> Iterator[str]:
    """Names of what is new, another, or gone."""
    if before is after:
        return
    yield from compress(after, map(is_not, after.values(), map(before.get, after)))
    if len(before) != len(after) or before.keys() != after.keys():
        yield from before.keys() - after.keys()


def _grantees(grant: SeenGrant | None) -> set[str]:
    return set() if grant is None else {each.name for each in grant.spec.grantees if isinstance(each, UserRef)}
