"""What a DatabaseGrant declares, normalised: one entry per kind, schema and set of names, for roles by name.

Entries know names only; what exists is found out in `resolution`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cloudsql_iam_operator.api.grant import (
    DatabaseGrant,
    FutureEntry,
    Grantee,
    GrantEntry,
    Membership,
    ObjectKind,
    Preset,
    PublicRevoke,
)
from cloudsql_iam_operator.api.object_kinds import ROUTINES, SHAPES
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.grants.desired.identifiers import identifier, signature
from cloudsql_iam_operator.core.reasons import Reason

EVERY = "*"
"""Stands for every object of a kind in a schema, and for every owner of future objects."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Privileges on objects, present ones or (`future`) those that `owners` will create.

    `names` holds object names, routine signatures, or only `*`. `owners` is ("*",) for all who may create; of present
    objects, () is all and others are whose they must be. Without `schema`, future ones are those of all schemas.
    """

    kind: ObjectKind
    roles: tuple[str, ...]
    privileges: tuple[str, ...]
    schema: str = ""
    names: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    option: bool = False
    future: bool = False
    owners: tuple[str, ...] = ()

    @property
    def everything(self) -> bool:
        """Whether it is about all objects of its kind in its schema."""
        return self.names == (EVERY,)


@dataclass(frozen=True, slots=True)
class RoleEntry:
    """Membership of `members` in `role`; options None are whatever the server has."""

    role: str
    members: tuple[str, ...]
    inherit: bool | None = None
    set: bool | None = None
    admin: bool | None = None


@dataclass(frozen=True, slots=True)
class Entries:
    """All that one object declares. `public` is to be taken from PUBLIC; its entries have no roles."""

    privileges: tuple[Entry, ...] = ()
    memberships: tuple[RoleEntry, ...] = ()
    public: tuple[Entry, ...] = ()

    @property
    def schemas(self) -> frozenset[str]:
        """Every schema that an entry names."""
        return frozenset(entry.schema for entry in (*self.privileges, *self.public) if entry.schema)

    @property
    def roles(self) -> frozenset[str]:
        """Every role that is granted to."""
        members = frozenset(role for entry in self.memberships for role in entry.members)
        return members.union(*(entry.roles for entry in self.privileges))


def expanded(spec: DatabaseGrant) -> DatabaseGrant:
    """The spec with its preset written out as entries; nothing else is changed."""
    if spec.preset is Preset.NONE:
        return spec
    writing = spec.preset is Preset.WRITE
    grants: list[GrantEntry] = [GrantEntry(ObjectKind.DATABASE, ("CONNECT",))]
    future: list[FutureEntry] = []
    on_sequences = ("SELECT", "USAGE") if writing else ("SELECT",)
    on_tables = ("SELECT", "INSERT", "UPDATE", "DELETE") if writing else ("SELECT",)
    for schema in spec.schemas:
        grants += [
            GrantEntry(ObjectKind.SCHEMA, ("USAGE",), schemas=(schema,)),
            GrantEntry(ObjectKind.RELATION, ("SELECT",), schemas=(schema,), names=(EVERY,)),
            GrantEntry(ObjectKind.SEQUENCE, on_sequences, schemas=(schema,), names=(EVERY,)),
        ]
        if writing:
            grants.append(GrantEntry(ObjectKind.TABLE, on_tables, schemas=(schema,), names=(EVERY,)))
        future += [
            FutureEntry((), schema, ObjectKind.TABLE, on_tables),
            FutureEntry((), schema, ObjectKind.SEQUENCE, on_sequences),
        ]
    return replace(spec, preset=Preset.NONE, schemas=(), grants=(*grants, *spec.grants), future=(*future, *spec.future))


def entries_of(spec: DatabaseGrant, roles: Mapping[Grantee, str]) -> Entries:
    """What the object declares for those of its grantees whose role is known; the others are left out.

    Raises:
        Refused: an entry can never be carried out as it is written.
    """
    whole = expanded(spec)
    grantees = tuple(sorted({identifier(roles[grantee], "role") for grantee in whole.grantees if grantee in roles}))
    privileges = [entry for written in whole.grants for entry in _present(written, grantees)]
    privileges += [_future(written, grantees) for written in whole.future]
    public = [entry for written in whole.public for entry in _from_everybody(written)]
    memberships = tuple(_membership(written, grantees) for written in whole.memberships)
    return Entries(tuple(privileges), memberships, tuple(public))


def _present(written: GrantEntry, roles: tuple[str, ...]) -> list[Entry]:
    kind = written.kind
    _check_privileges(kind, written.privileges)
    names = tuple(sorted({_name(kind, name) for name in written.names}))
    if EVERY in names and len(names) > 1:
        raise Refused(Reason.INVALID_SPEC, f"an entry of kind {kind} names `*` and {names[-1]!r}: use one or the other")
    entry = Entry(
        kind,
        roles,
        tuple(sorted(set(written.privileges))),
        names=names,
        excluded=tuple(sorted(set(written.excluded))),
        columns=tuple(sorted({identifier(column, "column") for column in written.columns})),
        option=written.grant_option,
    )
    if not written.schemas:
        return [entry]
    return [replace(entry, schema=identifier(schema, "schema")) for schema in sorted(set(written.schemas))]


def _name(kind: ObjectKind, name: str) -> str:
    if name == EVERY:
        return name
    if kind in (*ROUTINES, ObjectKind.ROUTINE):
        signature(name)
        return name
    if kind is ObjectKind.LARGE_OBJECT and not name.isdecimal():
        raise Refused(Reason.INVALID_SPEC, f"large object {name!r} is no oid: write its number")
    # PostgreSQL keeps names of settings in lower case, however they are written.
    return identifier(name.lower() if kind is ObjectKind.PARAMETER else name, kind.value.lower())


def _future(written: FutureEntry, roles: tuple[str, ...]) -> Entry:
    _check_privileges(written.kind, written.privileges)
    schema = identifier(written.schema, "schema") if written.schema else ""
    return _to_come(Entry(written.kind, roles, tuple(sorted(set(written.privileges))), schema), written.owners)


def _from_everybody(written: PublicRevoke) -> list[Entry]:
    entries = _present(GrantEntry(written.kind, written.privileges, written.schemas, written.names), ())
    return entries if not written.owners else [_to_come(replace(entry, names=()), written.owners) for entry in entries]


def _to_come(entry: Entry, owners: tuple[str, ...]) -> Entry:
    names = tuple(sorted({identifier(owner, "role") for owner in owners}))
    return replace(entry, future=True, owners=names or (EVERY,))


def _membership(written: Membership, roles: tuple[str, ...]) -> RoleEntry:
    return RoleEntry(identifier(written.role, "role"), roles, written.inherit, written.set, written.admin)


def _check_privileges(kind: ObjectKind, privileges: tuple[str, ...]) -> None:
    for privilege in privileges:
        if privilege != "ALL" and privilege not in SHAPES[kind].privileges:
            known = ", ".join(SHAPES[kind].privileges)
            raise Refused(Reason.INVALID_SPEC, f"{privilege!r} is no privilege of kind {kind}: it has {known}")
