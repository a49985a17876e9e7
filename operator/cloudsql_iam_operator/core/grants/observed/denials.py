"""Roles and schemas that are never touched, whatever an instance's rules allow. Refusals say which and why."""

from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.grants.observed.snapshot import Role, Snapshot
from cloudsql_iam_operator.core.reasons import Reason

_RESERVED = frozenset({"public", "none", "postgres"})
_PROVIDERS = ("cloudsql", "alloydb", "rds", "azure", "pg_")
_MARKERS = frozenset(
    {
        "cloudsqliamuser",
        "cloudsqliamserviceaccount",
        "cloudsqliamgroup",
        "cloudsqliamgroupuser",
        "cloudsqliamgroupserviceaccount",
        "cloudsqliamworkforceidentity",
        "cloudsqlinactiveuser",
    }
)
"""Roles that only mark how a user logs in; every IAM user has one, and it gives no rights."""


def check_schema(schema: str) -> None:
    """Refuse PostgreSQL's own schemas."""
    if schema.startswith("pg_") or schema == "information_schema":
        raise Refused(Reason.SCHEMA_NOT_ALLOWED, f"schema {schema!r} is PostgreSQL's own; nothing is granted in it")


def check_name(name: str, what: str) -> None:
    """Refuse a role by its name alone, whether it exists or not."""
    plain = name.strip().lower()
    if plain in _RESERVED or plain.startswith(_PROVIDERS):
        raise Refused(
            Reason.ROLE_NOT_ALLOWED,
            f"role {name!r} cannot be a {what}: it is everybody's, PostgreSQL's or the provider's own",
        )


class Denials:
    """Verdicts on existing roles, each found out once per snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._session_role = snapshot.server.session_role
        self._roles = {role.oid: role for role in snapshot.roles.values()}
        self._parents = snapshot.parents()
        self._paths: dict[int, tuple[str, ...]] = {}

    def check(self, role: Role, what: str) -> None:
        """Refuse a role that is powerful, the operator's own, or that reaches such a role through memberships."""
        if role.oid == self._session_role:
            raise Refused(
                Reason.ROLE_NOT_ALLOWED, f"role {role.name!r} cannot be a {what}: the operator logs in with it"
            )
        if role.oid not in self._paths:
            self._paths[role.oid] = self._dangerous_path(role)
        path = self._paths[role.oid]
        if path:
            by = "" if len(path) == 1 else " (" + " is a member of ".join(path) + ")"
            raise Refused(
                Reason.ROLE_NOT_ALLOWED,
                f"role {role.name!r} cannot be a {what}: it has administrative powers{by}; take them away first",
            )

    def _dangerous_path(self, role: Role) -> tuple[str, ...]:
        seen = {role.oid}
        trail: list[tuple[int, tuple[str, ...]]] = [(role.oid, ())]
        while trail:
            oid, before = trail.pop()
            found = self._roles.get(oid)
            if found is None or found.name in _MARKERS:
                continue
            path = (*before, found.name)
            if found.superuser or found.powerful or found.name.startswith(_PROVIDERS) or found.name in _RESERVED:
                return path
            new = sorted(self._parents.get(oid, set()) - seen)
            seen.update(new)
            trail += [(parent, path) for parent in new]
        return ()
