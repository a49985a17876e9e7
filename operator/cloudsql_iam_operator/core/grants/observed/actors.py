"""In whose name the operator may grant and revoke, and which role it takes to do so."""

from collections.abc import Iterable

from cloudsql_iam_operator.core.access.provider_roles import PROVIDER_ROLES
from cloudsql_iam_operator.core.grants.observed.inheritance import Inheritance
from cloudsql_iam_operator.core.grants.observed.snapshot import DATABASE_OWNER, Snapshot


class Reach:
    """Whom the operator may act as: whose rights it has anyway, and `owners`, roles that it was told it may become."""

    def __init__(self, snapshot: Snapshot, owner_roles: Iterable[str]) -> None:
        allowed = frozenset(owner_roles)
        server = snapshot.server
        self.owners = allowed
        self._names = snapshot.role_names()
        self.current = self._names.get(server.current_role, "")
        self._inheritance = Inheritance(snapshot)
        self._current = server.current_role
        self._settable: dict[int, str] = {}
        self._actors: dict[int, str | None] = {}
        for role in snapshot.roles.values():
            if role.oid == server.current_role or role.inherited:
                self._actors[role.oid] = ""
            elif role.settable and role.name in allowed:
                self._actors[role.oid] = role.name
            if role.settable and role.oid in self._actors and role.oid != server.current_role:
                self._settable[role.oid] = role.name
        owner = snapshot.roles.get(DATABASE_OWNER)
        if owner is not None and owner.oid not in self._actors:
            # Nobody can SET ROLE to it; acting as the owner of the database is acting as its only member.
            self._actors[owner.oid] = self._actors.get(server.database_owner)

    def actor(self, role: int) -> str | None:
        """The role to SET LOCAL ROLE to in order to act as this owner; "" for none, None when it cannot be."""
        return self._actors.get(role)

    def grantor(self, role: int, owner: int) -> str | None:
        """The role to SET LOCAL ROLE to in order to take back what this role gave on objects of an owner.

        PostgreSQL acts as the owner for whoever has the owner's rights, and only else as who asks: having the rights of
        a grantor is not enough. "" for none, None when it cannot be.
        """
        if role == owner:
            return self.actor(owner)
        if self._inheritance.has(role, owner):
            return None
        return "" if role == self._current else self._settable.get(role)

    def member(self, role: int) -> tuple[str, str] | None:
        """How to take back a membership that this role gave: whom to act as, and whom to name as who granted it.

        None when it cannot be. Naming the grantor is enough with its rights, from PostgreSQL 16 on.
        """
        if role == self._current:
            return "", ""
        if role in self._settable:
            return self._settable[role], ""
        return ("", self._names[role]) if self._actors.get(role) == "" else None


def unattainable(snapshot: Snapshot) -> frozenset[int]:
    """Roles that nobody makes an operator a member of: superusers, the provider's own, and what stands for those."""
    found = {role.oid for role in snapshot.roles.values() if role.superuser or role.name in PROVIDER_ROLES}
    owner = snapshot.roles.get(DATABASE_OWNER)
    return frozenset({*found, owner.oid} if owner is not None and snapshot.server.database_owner in found else found)
