"""Roles and schemas that are never touched, whatever an instance's rules allow. Refusals say which and why."""

from typing import NamedTuple

from cloudsql_iam_operator.core.access.provider_roles import MARKERS, PROVIDER_ROLES
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.snapshot import Role, Snapshot
from cloudsql_iam_operator.core.reasons import Reason

RESERVED = frozenset({"public", "none", "postgres"})

PREDEFINED = "pg_"
"""How PostgreSQL's own roles begin; it lets nobody else have such a name."""

FIRST_OWN_OID = 16384
"""Objects below it came with the server. Source: PostgreSQL 14-18, FirstNormalObjectId in access/transam.h"""

UNSAFE = frozenset({"pg_database_owner", "pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"})
"""Predefined roles that no rule gives: who has one has the server itself, or what the database's owner has."""


class Part(NamedTuple):
    """What a role is to be; each endangers something else. `listed` are roles that a rule names in full."""

    word: str
    listed: frozenset[str] = frozenset()


GRANTEE = Part("grantee")
ON_TABLES = Part("grantee on tables")


def granted_role(listed: frozenset[str]) -> Part:
    """The part of a role whose members others become."""
    return Part("granted role", listed - UNSAFE)


def closed_roles(snapshot: Snapshot, reach: Reach) -> frozenset[str]:
    """Roles that nobody is made a member of unless a rule names them: IAM logins, and those the operator works as."""
    names = snapshot.role_names()
    markers = frozenset(role.oid for role in snapshot.roles.values() if role.name in MARKERS)
    logins = frozenset(names[grant.member] for grant in snapshot.role_grants if grant.role in markers)
    own = frozenset(names.get(oid, "") for oid in (snapshot.server.current_role, snapshot.server.session_role))
    return logins | own | reach.owners


def own_schema(schema: str) -> bool:
    """Whether a schema is PostgreSQL's own."""
    return schema.startswith("pg_") or schema == "information_schema"


def check_schema(schema: str) -> None:
    """Refuse PostgreSQL's own schemas."""
    if own_schema(schema):
        raise Refused(Reason.SCHEMA_NOT_ALLOWED, f"schema {schema!r} is PostgreSQL's own; nothing is granted in it")


def is_predefined(name: str, role: Role | None) -> bool:
    """Whether it is PostgreSQL's own role, or a name of one that this version does not have."""
    return name.strip().lower().startswith(PREDEFINED) and (role is None or role.oid < FIRST_OWN_OID)


class Denials:
    """Verdicts on roles, each found out once per snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._session_role = snapshot.server.session_role
        self._roles = {role.oid: role for role in snapshot.roles.values()}
        self._parents = snapshot.parents()
        self._paths: dict[tuple[int, Part], tuple[str, ...]] = {}

    @staticmethod
    def check_name(name: str, role: Role | None, part: Part) -> None:
        """Refuse a role by what it is called; `role` None when it does not exist."""
        plain = name.strip().lower()
        if plain in RESERVED or plain in PROVIDER_ROLES:
            why = "it is everybody's, or the provider's own"
        elif is_predefined(name, role) and name not in part.listed:
            why = f"PostgreSQL keeps names that begin with {PREDEFINED} for its own roles"
            if _is_granted(part):
                why = f"{why}, and no access rule lists this one in full"
        else:
            return
        raise Refused(Reason.ROLE_NOT_ALLOWED, f"role {name!r} cannot be a {part.word}: {why}")

    def check(self, role: Role, part: Part) -> None:
        """Refuse a role that is powerful, the operator's own, or that reaches such a role through memberships."""
        if role.oid == self._session_role:
            raise Refused(
                Reason.ROLE_NOT_ALLOWED, f"role {role.name!r} cannot be a {part.word}: the operator logs in with it"
            )
        asked = (role.oid, part)
        if asked not in self._paths:
            self._paths[asked] = self._dangerous_path(role, part)
        path = self._paths[asked]
        if path:
            by = "" if len(path) == 1 else " (" + " is a member of ".join(path) + ")"
            raise Refused(
                Reason.ROLE_NOT_ALLOWED,
                f"role {role.name!r} cannot be a {part.word}: it has administrative powers{by}; take them away first",
            )
        if part is ON_TABLES and role.bypasses_policies:
            raise Refused(
                Reason.ROLE_NOT_ALLOWED,
                f"role {role.name!r} cannot be a {part.word}: it sees all rows by BYPASSRLS; take that away first",
            )

    def _dangerous_path(self, role: Role, part: Part) -> tuple[str, ...]:
        seen = {role.oid}
        trail: list[tuple[int, tuple[str, ...]]] = [(role.oid, ())]
        while trail:
            oid, before = trail.pop()
            found = self._roles.get(oid)
            if found is None or found.name in MARKERS:
                continue
            path = (*before, found.name)
            if _is_dangerous(found, part):
                return path
            new = sorted(self._parents.get(oid, set()) - seen)
            seen.update(new)
            trail += [(parent, path) for parent in new]
        return ()


def _is_dangerous(role: Role, part: Part) -> bool:
    """Whether who is, or reaches, this role endangers something by being what it is to be.

    CREATEDB, REPLICATION and BYPASSRLS are not inherited, but whoever is granted the role may SET ROLE to it.
    """
    if role.superuser or role.creates_roles or role.name in RESERVED or role.name in PROVIDER_ROLES:
        return True
    if is_predefined(role.name, role):
        return role.name in UNSAFE or (_is_granted(part) and role.name not in part.listed)
    return _is_granted(part) and role.powerful


def _is_granted(part: Part) -> bool:
    return part.word == "granted role"
