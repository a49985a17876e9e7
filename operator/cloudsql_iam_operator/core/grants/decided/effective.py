"""What a role may do on an object whoever it has that from: itself, PUBLIC, roles it inherits from, or owning it."""

from collections.abc import Iterable, Mapping

from cloudsql_iam_operator.core.grants.desired.privileges import EVERYTHING
from cloudsql_iam_operator.core.grants.observed.snapshot import DATABASE_OWNER, PUBLIC, AclGroup, Snapshot


class Effective:
    """Effective rights of roles in one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._parents: dict[int, set[int]] = {}
        for grant in snapshot.role_grants:
            if grant.inherit:
                self._parents.setdefault(grant.member, set()).add(grant.role)
        owner = snapshot.roles.get(DATABASE_OWNER)
        if owner is not None:
            self._parents.setdefault(snapshot.server.database_owner, set()).add(owner.oid)
        self._above: dict[int, frozenset[int]] = {}

    def mask(self, group: AclGroup, role: int) -> int:
        """All that the role may do on the objects of a group, with grant options."""
        holders = self._holders(role)
        if group.owner in holders:
            return EVERYTHING
        mask = group.held(PUBLIC)
        for holder in holders:
            mask |= group.held(holder)
        return mask

    def alike(self, group: AclGroup, roles: Iterable[int]) -> Mapping[int, tuple[int, ...]]:
        """The roles by what they may do there."""
        found: dict[int, tuple[int, ...]] = {}
        for role in roles:
            mask = self.mask(group, role)
            found[mask] = (*found.get(mask, ()), role)
        return found

    def _holders(self, role: int) -> frozenset[int]:
        """The role and all those whose rights it inherits."""
        if role not in self._above:
            seen, trail = {role}, [role]
            while trail:
                new = self._parents.get(trail.pop(), set()) - seen
                seen |= new
                trail += new
            self._above[role] = frozenset(seen)
        return self._above[role]
