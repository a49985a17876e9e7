"""The users of one namespace, each joined with its instance and its grants; what stands as before is not joined again.

A namespace may hold thousands of both, and each change of one of them is followed by a question about some pod.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cloudsql_iam_operator.api.grant import UserRef
from cloudsql_iam_operator.core.injection.cluster import reading
from cloudsql_iam_operator.core.injection.cluster.reading import SeenGrant, SeenUser
from cloudsql_iam_operator.core.injection.facts import InstanceFact, UserFact


@dataclass(frozen=True, slots=True)
class _Joined:
    """A user, and the very parts that it was put together from."""

    seen: SeenUser
    instance: InstanceFact | None
    grants: tuple[SeenGrant, ...]
    fact: UserFact

    def holds(
        self, seen: SeenUser, instance: InstanceFact | None, grants: tuple[SeenGrant, ...], now: datetime
    ) -> bool:
        """Whether all of them are the same still, and time has changed nothing."""
        if self.seen is not seen or self.instance is not instance:
            return False
        return self.grants == grants and (self.fact.acts_at is None or now < self.fact.acts_at)


class Roster:
    """Users of one namespace, sorted by name. Belongs to one thread."""

    def __init__(self) -> None:
        self._joined: dict[str, _Joined] = {}
        self._listed: object = None
        self._grants: dict[str, tuple[SeenGrant, ...]] = {}

    def users(
        self,
        users: Iterable[SeenUser],
        grants: Mapping[str, SeenGrant],
        instance: Callable[[str], InstanceFact | None],
        now: datetime,
    ) -> tuple[UserFact, ...]:
        """All about the users; one that stands as before is the same object. `grants`, by name, are read once."""
        if grants is not self._listed:
            self._grants, self._listed = _by_user(grants.values()), grants
        found: dict[str, _Joined] = {}
        for seen in users:
            name, on = seen.spec.metadata.key.name, instance(seen.spec.instance)
            given, known = self._grants.get(name, ()), self._joined.get(name)
            if known is None or not known.holds(seen, on, given, now):
                known = _Joined(seen, on, given, reading.fact(seen, on, given, now))
            found[name] = known
        self._joined = found
        return tuple(found[name].fact for name in sorted(found))


def _by_user(grants: Iterable[SeenGrant]) -> dict[str, tuple[SeenGrant, ...]]:
    found: dict[str, list[SeenGrant]] = {}
    for grant in grants:
        for name in {grantee.name for grantee in grant.spec.grantees if isinstance(grantee, UserRef)}:
            found.setdefault(name, []).append(grant)
    return {name: tuple(given) for name, given in found.items()}
