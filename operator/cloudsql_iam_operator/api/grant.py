"""DatabaseGrant: privileges of users in one database."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cloudsql_iam_operator.api.metadata import Metadata


@dataclass(frozen=True, slots=True, order=True)
class UserRef:
    """A CloudSQLIAMUser of the same namespace; waits until that is ready."""

    name: str


@dataclass(frozen=True, slots=True, order=True)
class RoleRef:
    """A plain database role, if the instance's rules allow it."""

    name: str


Grantee = UserRef | RoleRef


class ObjectKind(StrEnum):
    """What an entry of `spec.grants` grants on."""

    DATABASE = "Database"
    SCHEMA = "Schema"
    TABLE = "Table"
    VIEW = "View"
    MATERIALIZED_VIEW = "MaterializedView"
    RELATION = "Relation"
    COLUMN = "Column"
    SEQUENCE = "Sequence"
    FUNCTION = "Function"
    PROCEDURE = "Procedure"
    ROUTINE = "Routine"
    TYPE = "Type"
    FOREIGN_SERVER = "ForeignServer"
    FOREIGN_DATA_WRAPPER = "ForeignDataWrapper"
    LANGUAGE = "Language"
    LARGE_OBJECT = "LargeObject"
    PARAMETER = "Parameter"
    TABLESPACE = "Tablespace"


class Preset(StrEnum):
    """Shorthand for the entries that reading or writing a schema takes."""

    READ = "read"
    WRITE = "write"
    NONE = "none"


class Enforcement(StrEnum):
    """Additive only grants; Managed also takes back what this object caused; Exclusive all that nobody declares."""

    ADDITIVE = "Additive"
    MANAGED = "Managed"
    EXCLUSIVE = "Exclusive"


class GrantMode(StrEnum):
    """Reconcile executes; Plan only says what it would execute."""

    RECONCILE = "Reconcile"
    PLAN = "Plan"


class GrantDeletion(StrEnum):
    """Whether deleting the object revokes what it caused."""

    REVOKE = "Revoke"
    RETAIN = "Retain"


@dataclass(frozen=True, slots=True)
class GrantEntry:
    """One entry of `spec.grants` as written; which fields may be set depends on the kind.

    `schemas` holds the single `schema` too. `names` may be ("*",), less `excluded` (globs).
    """

    kind: ObjectKind
    privileges: tuple[str, ...]
    schemas: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    grant_option: bool = False


@dataclass(frozen=True, slots=True)
class FutureEntry:
    """Default privileges for objects that `owners` will create in `schema`; owners () means auto.

    `schema` "" means all schemas; then there are owners.
    """

    owners: tuple[str, ...]
    schema: str
    kind: ObjectKind
    privileges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Membership:
    """Membership of every grantee in a role; options None are the server's defaults (PostgreSQL 16 and newer)."""

    role: str
    inherit: bool | None
    set: bool | None
    admin: bool | None


@dataclass(frozen=True, slots=True)
class PublicRevoke:
    """Privileges to take from PUBLIC on the database, on a schema's objects, or on those that `owners` will create."""

    kind: ObjectKind
    privileges: tuple[str, ...]
    schemas: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatabaseGrant:
    """A parsed DatabaseGrant. `schemas` belongs to `preset`."""

    metadata: Metadata
    instance: str
    database: str
    grantees: tuple[Grantee, ...]
    preset: Preset
    schemas: tuple[str, ...]
    grants: tuple[GrantEntry, ...]
    future: tuple[FutureEntry, ...]
    memberships: tuple[Membership, ...]
    public: tuple[PublicRevoke, ...]
    enforcement: Enforcement
    mode: GrantMode
    deletion_policy: GrantDeletion
    expires_at: datetime | None
    suspend: bool
