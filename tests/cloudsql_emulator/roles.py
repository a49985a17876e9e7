"""The system roles of a Cloud SQL instance, as statements; what is done with them is in `postgres`.

Stock PostgreSQL lacks Google's patches: here cloudsqlsuperuser cannot do what needs a superuser (some extensions,
event triggers), and only holders of ADMIN can grant it.
Source: Cloud SQL for PostgreSQL, "About PostgreSQL users and roles"; the role lists of running instances
"""

from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

BOOTSTRAP_SUPERUSER = "cloudsqladmin"
"""Google's own account; also the database that it works from."""

ADMIN_ROLE = "cloudsqlsuperuser"
"""What customers' administrators are members of; the only system role that the API gives out."""

SYSTEM_ROLE_PREFIXES = ("cloudsql", "pg_")

IAM_ROLE_OF_USER_TYPE = {
    "CLOUD_IAM_USER": "cloudsqliamuser",
    "CLOUD_IAM_SERVICE_ACCOUNT": "cloudsqliamserviceaccount",
    "CLOUD_IAM_GROUP": "cloudsqliamgroup",
    "CLOUD_IAM_GROUP_USER": "cloudsqliamgroupuser",
    "CLOUD_IAM_GROUP_SERVICE_ACCOUNT": "cloudsqliamgroupserviceaccount",
    "CLOUD_IAM_WORKFORCE_IDENTITY": "cloudsqliamworkforceidentity",
    "CLOUD_IAM_GROUP_WORKFORCE_IDENTITY": "cloudsqliamgroupworkforceidentity",  # GUESS: the role's name
}
"""The system role that makes a database user of each type one that signs in through IAM."""

INACTIVE_ROLE = "cloudsqlinactiveuser"
IAM_SYSTEM_ROLES = (*IAM_ROLE_OF_USER_TYPE.values(), INACTIVE_ROLE)
"""The roles that exist once cloudsql.iam_authentication has been on."""

LOGIN_ROLES = tuple(role for kind, role in IAM_ROLE_OF_USER_TYPE.items() if kind != "CLOUD_IAM_GROUP")
"""Members of these, direct or not, are signed in by IAM and by nothing else."""

_SINCE: dict[int, tuple[LiteralString, ...]] = {
    10: ("pg_monitor", "pg_signal_backend"),
    15: ("pg_checkpoint",),
    16: ("pg_use_reserved_connections", "pg_create_subscription"),
}
"""Predefined roles that cloudsqlsuperuser is a member of, by the version that brought them."""

_LAYOUT: tuple[LiteralString, ...] = (
    "CREATE ROLE cloudsqlsuperuser NOLOGIN CREATEROLE CREATEDB",
    "CREATE ROLE cloudsqlagent NOLOGIN CREATEROLE CREATEDB IN ROLE cloudsqlsuperuser",
    "CREATE ROLE cloudsqlimportexport NOLOGIN CREATEROLE CREATEDB IN ROLE cloudsqlsuperuser",
    "CREATE ROLE cloudsqlreplica NOLOGIN REPLICATION IN ROLE pg_monitor",
    "CREATE ROLE cloudsqllogical NOLOGIN",
    "CREATE ROLE cloudsqlobservability NOLOGIN",
    "CREATE ROLE cloudsqlconnpooladmin NOLOGIN",
    "CREATE ROLE postgres LOGIN CREATEROLE CREATEDB IN ROLE cloudsqlsuperuser",
    "ALTER DATABASE postgres OWNER TO cloudsqlsuperuser",
    "ALTER DATABASE template1 OWNER TO cloudsqlsuperuser",
    "CREATE DATABASE cloudsqladmin",
    "REVOKE ALL ON DATABASE cloudsqladmin FROM PUBLIC",
)

_PUBLIC_SCHEMA_OWNED: tuple[LiteralString, ...] = (
    "ALTER SCHEMA public OWNER TO cloudsqlsuperuser",
    "GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC",
)
_PUBLIC_SCHEMA_SHARED: tuple[LiteralString, ...] = ("GRANT USAGE, CREATE ON SCHEMA public TO cloudsqlsuperuser",)


class RoleMissing(Exception):
    """A role that was named does not exist."""

    def __init__(self, role: str) -> None:
        super().__init__(f'role "{role}" does not exist')
        self.role = role


class RoleHasDependents(Exception):
    """A role cannot be dropped; `details` are PostgreSQL's lines, such as `6 objects in database orders`."""

    def __init__(self, name: str, details: str) -> None:
        super().__init__(f'role "{name}" cannot be dropped because some objects depend on it')
        self.name = name
        self.details = details


class SystemRoleNotGrantable(Exception):
    """A system role other than cloudsqlsuperuser was asked for through the API."""

    def __init__(self, role: str) -> None:
        super().__init__(f'role "{role}" cannot be granted through the API; of system roles only cloudsqlsuperuser can')
        self.role = role


@dataclass(frozen=True, slots=True)
class LoginRole:
    """What decides how a role signs in: whether it exists, and the IAM system roles it is in, at any depth."""

    exists: bool
    iam_roles: frozenset[str]

    @property
    def signs_in_through_iam(self) -> bool:
        """Whether IAM, and no password, opens a session as this role."""
        return bool(self.iam_roles)


def layout_statements(version: int) -> list[sql.SQL | sql.Composed]:
    """What turns a fresh cluster into an instance, run once and outside a transaction; IAM roles come apart."""
    memberships = [
        sql.SQL("GRANT {} TO cloudsqlsuperuser").format(sql.Identifier(role))
        for since, roles in _SINCE.items()
        if version >= since
        for role in roles
    ]
    return [*map(sql.SQL, _LAYOUT), *memberships]


def public_schema_statements(version: int) -> list[sql.SQL]:
    """What a database's schema `public` looks like on Cloud SQL: open to all before PostgreSQL 15, closed since."""
    return [sql.SQL(text) for text in (_PUBLIC_SCHEMA_SHARED if version >= 15 else _PUBLIC_SCHEMA_OWNED)]


def is_system_role(role: str) -> bool:
    """Whether a name is Google's or PostgreSQL's own."""
    return role.startswith(SYSTEM_ROLE_PREFIXES)


def host_based_authentication() -> str:
    """A pg_hba.conf in which IAM users need no password.

    Only the data plane reaches the socket, and it has checked them before. `+role` matches members of members too:
    whoever is given an IAM user's role stops signing in with a password, as on Cloud SQL.
    """
    trusted = [BOOTSTRAP_SUPERUSER, *(f"+{role}" for role in LOGIN_ROLES)]
    lines = [f"local all {who} trust" for who in trusted]
    return "\n".join([*lines, "local all all scram-sha-256", "local replication all scram-sha-256", ""])
