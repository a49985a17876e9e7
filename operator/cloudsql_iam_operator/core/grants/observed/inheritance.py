"""Whose rights a role has besides its own: of roles that it inherits from, at any distance."""

from cloudsql_iam_operator.core.grants.observed.snapshot import DATABASE_OWNER, Snapshot


class Inheritance:
    """Inheritance among the roles of one snapshot; memberships without INHERIT give no rights."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._parents: dict[int, set[int]] = {}
        for grant in snapshot.role_grants:
            if grant.inherit:
                self._parents.setdefault(grant.member, set()).add(grant.role)
        owner = snapshot.roles.get(DATABASE_OWNER)
        if owner is not None:
            self._parents.setdefault(snapshot.server.database_owner, set()).add(owner.oid)
        self._superusers = frozenset(role.oid for role in snapshot.roles.values() if role.superuser)
        self._found: dict[int, frozenset[int]] = {}

    def of(self, role: int) -> frozenset[int]:
        """The role and all those whose rights it inherits."""
        if role not in self._found:
            seen, trail = {role}, [role]
            while trail:
                new = self._parents.get(trail.pop(), set()) - seen
                seen |= new
                trail += new
            self._found[role] = frozenset(seen)
        return self._found[role]

    def has(self, role: int, other: int) -> bool:
        """Whether a role has the rights of another; a superuser has everybody's."""
        return role in self._superusers or other in self.of(role)
