"""In whose name the operator may grant and revoke, and which role it takes to do so."""

from collections.abc import Iterable

from cloudsql_iam_operator.core.access.provider_roles import PROVIDER_ROLES
from cloudsql_iam_operator.core.grants.observed.snapshot import DATABASE_OWNER, Snapshot


class Reach:
    """Whom the operator may act as: whose rights it has anyway, and owner roles that it was told it may become."""

    def __init__(self, snapshot: Snapshot, owner_roles: Iterable[str]) -> None:
        allowed = frozenset(owner_roles)
        server = snapshot.server
        self.current = snapshot.role_names().get(server.current_role, "")
        self._actors: dict[int, str | None] = {}
        for role in snapshot.roles.values():
            if role.oid == server.current_role or role.inherited:
                self._actors[role.oid] = ""
            elif role.settable and role.name in allowed:
                self._actors[role.oid] = role.name
        owner = snapshot.roles.get(DATABASE_OWNER)
        if owner is not None and owner.oid not in self._actors:
            # Nobody can SET ROLE to it; acting as the owner of the database is acting as its only member.
            self._actors[owner.oid] = self._actors.get(server.database_owner)

    def actor(self, role: int) -> str | None:
        """The role to SET LOCAL ROLE to in order to act as this one; "" for none, None when it cannot be."""
        return self._actors.get(role)


def unattainable(snapshot: Snapshot) -> frozenset[int]:
    """Roles that nobody makes an operator a member of: superusers, the provider's own, and what stands for those."""
    found = {role.oid for role in snapshot.roles.values() if role.superuser or role.name in PROVIDER_ROLES}
    owner = snapshot.roles.get(DATABASE_OWNER)
    return frozenset({*found, owner.oid} if owner is not None and snapshot.server.database_owner in found else found)
