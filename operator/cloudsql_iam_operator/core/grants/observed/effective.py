"""What a role may do on an object whoever it has that from: itself, PUBLIC, roles it inherits from, or owning it."""

from collections.abc import Iterable, Mapping

from cloudsql_iam_operator.core.grants.desired.privileges import EVERYTHING
from cloudsql_iam_operator.core.grants.observed.inheritance import Inheritance
from cloudsql_iam_operator.core.grants.observed.snapshot import PUBLIC, AclGroup, Snapshot


class Effective:
    """Effective rights of roles in one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._inheritance = Inheritance(snapshot)

    def mask(self, group: AclGroup, role: int) -> int:
        """All that the role may do on the objects of a group, with grant options."""
        holders = self._inheritance.of(role)
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
