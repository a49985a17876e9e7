"""What one observation of a database shows: roles, schemas, names, and who holds what, in groups of equal rights."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from cloudsql_iam_operator.api.grant import ObjectKind

PUBLIC = 0
"""The oid that stands for everybody in an ACL."""

EVERYBODY = "public"
"""How PUBLIC is named among roles; PostgreSQL reserves the name."""

DATABASE_OWNER = "pg_database_owner"
"""The role whose only member is whoever owns the database."""

OUTSIDE_SCHEMAS = frozenset(
    {
        ObjectKind.FOREIGN_SERVER,
        ObjectKind.FOREIGN_DATA_WRAPPER,
        ObjectKind.LANGUAGE,
        ObjectKind.LARGE_OBJECT,
        ObjectKind.PARAMETER,
        ObjectKind.TABLESPACE,
    }
)
"""Kinds whose objects belong to no schema and are granted on by name only; the database itself aside."""


class Catalog(Enum):
    """Spaces of names: three within each schema, and those of a whole database or server."""

    RELATION = "relation"
    ROUTINE = "routine"
    TYPE = "type"
    FOREIGN_SERVER = "foreign server"
    FOREIGN_DATA_WRAPPER = "foreign data wrapper"
    LANGUAGE = "language"
    LARGE_OBJECT = "large object"
    PARAMETER = "parameter"
    TABLESPACE = "tablespace"


_CATALOGS = {
    ObjectKind.FUNCTION: Catalog.ROUTINE,
    ObjectKind.PROCEDURE: Catalog.ROUTINE,
    ObjectKind.ROUTINE: Catalog.ROUTINE,
    ObjectKind.TYPE: Catalog.TYPE,
    ObjectKind.FOREIGN_SERVER: Catalog.FOREIGN_SERVER,
    ObjectKind.FOREIGN_DATA_WRAPPER: Catalog.FOREIGN_DATA_WRAPPER,
    ObjectKind.LANGUAGE: Catalog.LANGUAGE,
    ObjectKind.LARGE_OBJECT: Catalog.LARGE_OBJECT,
    ObjectKind.PARAMETER: Catalog.PARAMETER,
    ObjectKind.TABLESPACE: Catalog.TABLESPACE,
}


@dataclass(frozen=True, slots=True)
class Lookups:
    """What to look for: rights of `roles` in `schemas`; the rest is only looked up when asked for.

    `named` are single objects by (catalog, schema, name); `listed` are schemas all of whose names are wanted.
    `columns` are relations by (schema, name) whose columns are wanted; `creators` are schemas whose possible
    creators of objects are wanted. `kinds` are those whose rights count, besides relations, schemas and the database,
    which are always read. `everywhere`: rights in all schemas but PostgreSQL's own. `known` are objects and schemas by
    oid, wherever and whatever they are called now, and `known_roles` roles likewise. `elsewhere` are roles of which it
    is asked where they have rights at all, and `known_elsewhere` such roles by oid.
    """

    roles: frozenset[str]
    schemas: frozenset[str]
    named: frozenset[tuple[Catalog, str, str]] = frozenset()
    listed: frozenset[tuple[Catalog, str]] = frozenset()
    columns: frozenset[tuple[str, str]] = frozenset()
    creators: frozenset[str] = frozenset()
    kinds: frozenset[ObjectKind] = frozenset()
    everywhere: bool = False
    known: frozenset[int] = frozenset()
    known_roles: frozenset[int] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    known_elsewhere: frozenset[int] = frozenset()

    def with_columns(self) -> "Lookups":
        """It, and rights on columns: the REVOKE of a table takes them along, some of which may be somebody else's."""
        return replace(self, kinds=self.kinds | {ObjectKind.COLUMN})

    def within(self, schemas: frozenset[str]) -> "Lookups":
        """As much of it as is about these schemas, or about what is in none."""
        return replace(
            self,
            schemas=schemas if self.everywhere else self.schemas & schemas,
            named=frozenset(place for place in self.named if place[1] in schemas or not place[1]),
            listed=frozenset(place for place in self.listed if place[1] in schemas),
            columns=frozenset(place for place in self.columns if place[0] in schemas),
            creators=self.creators & schemas,
            everywhere=False,
            known=frozenset(),
            elsewhere=frozenset(),
        )


@dataclass(frozen=True, slots=True)
class Server:
    """Which server and database, as whom. `identity` tells one database of one cluster from every other."""

    version: int
    database: str
    database_oid: int
    database_owner: int
    current_role: int
    session_role: int
    read_only: bool
    identity: str


@dataclass(frozen=True, slots=True)
class Role:
    """A role; `powerful` when it may create roles or databases, replicate, or bypass row security.

    `creates_roles` and `bypasses_policies` are two of these powers. `inherited`: the operator has its rights as it is.
    `settable`: the operator may SET ROLE to it. `login`: somebody can log in with it. `inherits`: it has the rights of
    roles that it is made a member of, unless that is said otherwise.
    """

    oid: int
    name: str
    superuser: bool
    powerful: bool
    inherited: bool
    settable: bool
    creates_roles: bool = False
    bypasses_policies: bool = False
    login: bool = False
    inherits: bool = True


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """One row of pg_auth_members; before PostgreSQL 16 `set` is True, and `inherit` what the member does in general."""

    role: int
    member: int
    grantor: int
    admin: bool
    inherit: bool
    set: bool


class Holding(NamedTuple):
    """Privileges that one role has from one grantor, grant options in the upper half."""

    grantor: int
    mask: int


class Whereabouts(NamedTuple):
    """A privilege that a role has from their owners on so many objects of a kind in a schema; `name` is one of them."""

    kind: ObjectKind
    schema: int
    role: int
    mask: int
    objects: int
    name: str


@dataclass(frozen=True, slots=True)
class AclGroup:
    """Objects of one kind, schema and owner on which everybody has the same rights.

    `members` are oids. `future` groups are default privileges: `owner` is whose objects to come they are for and the
    only member is the schema, 0 for all schemas. A `column` group is one column of the relation that is its only
    member. `lockable`: plain and partitioned tables. `entries` is how many entries the ACL has for all roles there are,
    not only for those that were asked for. `extended`: they belong to an extension.
    """

    kind: ObjectKind
    schema: int
    owner: int
    members: tuple[int, ...]
    acl: Mapping[int, tuple[Holding, ...]] = field(default_factory=dict)
    lockable: bool = False
    future: bool = False
    column: str = ""
    entries: int = 0
    extended: bool = False

    def held(self, role: int) -> int:
        """All that the role was granted, by whomever."""
        mask = 0
        for holding in self.acl.get(role, ()):
            mask |= holding.mask
        return mask


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A database at one moment, as far as it was looked up.

    `names` maps what was named to oids; what is not there does not exist. `listed` gives all names of a schema by
    oid. `columns` are those of the relations that were asked for. `creators` gives for a schema who may create in it.
    `known` gives schema and name, as they are now, of what was asked for by oid; `known_columns` the names of columns
    by relation and number.
    """

    server: Server
    roles: Mapping[str, Role]
    role_grants: tuple[RoleGrant, ...]
    schemas: Mapping[str, int]
    groups: tuple[AclGroup, ...]
    names: Mapping[tuple[Catalog, str, str], int] = field(default_factory=dict)
    listed: Mapping[tuple[Catalog, str], Mapping[int, str]] = field(default_factory=dict)
    columns: Mapping[int, frozenset[str]] = field(default_factory=dict)
    creators: Mapping[str, frozenset[int]] = field(default_factory=dict)
    known: Mapping[tuple[Catalog, int], tuple[str, str]] = field(default_factory=dict)
    known_columns: Mapping[int, Mapping[int, str]] = field(default_factory=dict)
    elsewhere: tuple[Whereabouts, ...] = ()
    role_oids: frozenset[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Every object asks which roles there are."""
        object.__setattr__(self, "role_oids", frozenset(role.oid for role in self.roles.values()))

    def role_names(self) -> dict[int, str]:
        """Names of roles by oid; `public`, which no role can have, for everybody."""
        return {PUBLIC: EVERYBODY, **{role.oid: role.name for role in self.roles.values()}}

    def renewed(self, later: "Snapshot", schemas: frozenset[str]) -> "Snapshot":
        """The later snapshot, which is `within` these schemas only, and of all others what this one shows."""
        gone = {0, *(oid for seen in (self, later) for name, oid in seen.schemas.items() if name in schemas)}
        kept = tuple(group for group in self.groups if group.schema not in gone)
        names = {place: oid for place, oid in self.names.items() if place[1] and place[1] not in schemas}
        return replace(
            later,
            groups=(*kept, *later.groups),
            names={**names, **later.names},
            listed={**self.listed, **later.listed},
            columns={**self.columns, **later.columns},
            creators={**self.creators, **later.creators},
            known=self.known,
            known_columns=self.known_columns,
            elsewhere=self.elsewhere,
        )

    def schemas_of(self, objects: frozenset[int]) -> frozenset[str]:
        """Names of the schemas that these objects are in, or are themselves."""
        found = {group.schema for group in self.groups if not objects.isdisjoint(group.members)}
        return frozenset(name for name, oid in self.schemas.items() if oid in found)

    def outside_schemas(self) -> list[tuple[ObjectKind, int, str]]:
        """Kind, oid and name of the objects found that are in no schema."""
        kinds = {catalog_of(kind): kind for kind in OUTSIDE_SCHEMAS}
        return [(kinds[c], oid, name) for (c, schema, name), oid in self.names.items() if not schema]

    def parents(self) -> dict[int, set[int]]:
        """For each member the roles that it was granted."""
        found: dict[int, set[int]] = {}
        for grant in self.role_grants:
            found.setdefault(grant.member, set()).add(grant.role)
        return found


def catalog_of(kind: ObjectKind) -> Catalog:
    """The space of names that objects of a kind are in."""
    return _CATALOGS.get(kind, Catalog.RELATION)
