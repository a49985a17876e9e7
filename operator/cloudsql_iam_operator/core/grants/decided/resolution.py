"""From entries, which know names, to wishes, which know what exists; and what cannot be found or allowed."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import partial

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.globs import Globs
from cloudsql_iam_operator.core.grants.desired.entries import EVERY, Entries, Entry
from cloudsql_iam_operator.core.grants.desired.identifiers import signature_hint
from cloudsql_iam_operator.core.grants.desired.privileges import mask_of, unknown, with_option
from cloudsql_iam_operator.core.grants.observed.denials import GRANTEE, ON_TABLES, Denials, Part, check_schema
from cloudsql_iam_operator.core.grants.observed.relkinds import ON_COLUMNS, RELATIONS
from cloudsql_iam_operator.core.grants.observed.snapshot import (
    OUTSIDE_SCHEMAS,
    PUBLIC,
    AclGroup,
    Catalog,
    Lookups,
    Snapshot,
    catalog_of,
)
from cloudsql_iam_operator.core.reasons import Reason


class Standing(Enum):
    """Wanted now; recorded as caused and to be taken back unless wanted; claimed by an object not yet reconciled;
    owned wholly, so that whatever nobody declares is taken away.
    """  # noqa: D205 - one sentence

    WANTED = "wanted"
    RECORDED = "recorded"
    CLAIMED = "claimed"
    OWNED = "owned"


@dataclass(frozen=True, slots=True)
class Wish:
    """One key's word about privileges of `roles` on objects of `kinds` in a schema (the database's oid: on itself).

    `objects` None means all of them, less `excluded`, and less what belongs to extensions unless `extended`. `columns`
    only counts for columns, `owners` only for future objects; `auto` when these were found, not named.
    """

    key: Key
    standing: Standing
    kinds: frozenset[ObjectKind]
    schema: int
    roles: frozenset[int]
    mask: int
    objects: frozenset[int] | None = None
    excluded: frozenset[int] = frozenset()
    columns: frozenset[str] = frozenset()
    future: bool = False
    owners: frozenset[int] = frozenset()
    auto: bool = False
    extended: bool = False

    def concerns(self, group: AclGroup) -> bool:
        """Whether it is about this group, of the schema and kind that it is for."""
        if group.future:
            return group.owner in self.owners
        return self.objects is not None or self.extended or not group.extended

    def covers(self, oid: int) -> bool:
        """Whether it is about this object, of the schema and kind that it is for."""
        return oid in self.objects if self.objects is not None else oid not in self.excluded


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Why a part of what a key declares is not so, in one sentence."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """Wishes of one key, and what of its entries could not be resolved."""

    wishes: tuple[Wish, ...]
    problems: tuple[Problem, ...]


def lookups_of(entries: Iterable[Entries]) -> Lookups:
    """What must be known of the database to resolve these entries."""
    named: set[tuple[Catalog, str, str]] = set()
    listed: set[tuple[Catalog, str]] = set()
    columns: set[tuple[str, str]] = set()
    creators: set[str] = set()
    roles: set[str] = set()
    schemas: set[str] = set()
    kinds: set[ObjectKind] = set()
    for every in entries:
        roles |= every.roles | {entry.role for entry in every.memberships}
        schemas |= every.schemas
        for entry in (*every.privileges, *every.public):
            roles.update(entry.owners if EVERY not in entry.owners else ())
            creators.update({entry.schema} if EVERY in entry.owners else ())
            kinds.add(entry.kind)
            catalog = catalog_of(entry.kind)
            listed.update({(catalog, entry.schema)} if entry.excluded else ())
            single = () if entry.everything else entry.names
            named.update((catalog, entry.schema, name) for name in single)
            columns.update((entry.schema, name) for name in single if entry.columns)
    return Lookups(
        frozenset(roles),
        frozenset(schemas),
        frozenset(named),
        frozenset(listed),
        frozenset(columns),
        frozenset(creators),
        frozenset(kinds | ({ObjectKind.TYPE} if _names_types(named) else set())),
    )


class Resolver:
    """Resolves entries against one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._denials = Denials(snapshot)
        self._verdicts: dict[tuple[str, Part], int | Problem] = {}
        self._allowances: dict[tuple[tuple[str, ...], Part], tuple[frozenset[int], tuple[Problem, ...]]] = {}
        self._kinds = {
            oid: group.kind
            for group in snapshot.groups
            if group.kind in RELATIONS and not group.future
            for oid in group.members
        }

    @property
    def version(self) -> int:
        """Major version of the server."""
        return self._snapshot.server.version

    def resolve(self, key: Key, standing: Standing, entries: Iterable[Entry]) -> Resolved:
        """What the entries of a key come to."""
        wishes: list[Wish] = []
        problems: list[Problem] = []
        for entry in entries:
            try:
                wishes += self._wishes(key, standing, entry, problems)
            except Refused as refused:
                problems.append(Problem(refused.reason, refused.message))
        return Resolved(tuple(wishes), tuple(dict.fromkeys(problems)))

    def grantees(
        self, standing: Standing, names: tuple[str, ...], problems: list[Problem], part: Part = GRANTEE
    ) -> frozenset[int]:
        """Oids of the roles that exist; what is wanted now must be allowed too, and what is not becomes a problem."""
        if standing is Standing.WANTED:
            # Entries of one object name the same roles over and over.
            if (names, part) not in self._allowances:
                self._allowances[names, part] = self._allowed(names, part)
            allowed, refused = self._allowances[names, part]
            problems += refused
            return allowed
        # What was granted once is taken back whatever has become of the role since.
        known = (self._snapshot.roles.get(name) for name in names)
        return frozenset(role.oid for role in known if role is not None)

    def _allowed(self, names: Iterable[str], part: Part) -> tuple[frozenset[int], tuple[Problem, ...]]:
        for name in names:
            if (name, part) not in self._verdicts:
                self._verdicts[name, part] = self._verdict(name, part)
        verdicts = [self._verdicts[name, part] for name in names]
        allowed = frozenset(verdict for verdict in verdicts if not isinstance(verdict, Problem))
        return allowed, tuple(verdict for verdict in verdicts if isinstance(verdict, Problem))

    def _verdict(self, name: str, part: Part) -> int | Problem:
        role = self._snapshot.roles.get(name)
        try:
            self._denials.check_name(name, role, part)
            if role is not None:
                self._denials.check(role, part)
        except Refused as refused:
            return Problem(refused.reason, refused.message)
        if role is None:
            return Problem(Reason.ROLE_NOT_FOUND, f"role {name!r} does not exist yet")
        return role.oid

    def _wishes(self, key: Key, standing: Standing, entry: Entry, problems: list[Problem]) -> list[Wish]:
        server = self._snapshot.server
        if entry.schema:
            check_schema(entry.schema)
        mask = self._mask(entry, problems)
        if not mask:
            return []  # this server has nothing of what it names, and so nothing to be missing
        # Only `Entries.public` has entries that are about everybody and name no role.
        everybody = standing is Standing.OWNED
        roles = frozenset({PUBLIC}) if everybody else self.grantees(standing, entry.roles, problems, _part(entry))
        # What was granted once is taken back, though the object may have become an extension's since.
        wish = partial(Wish, key, standing, mask=mask, roles=roles, extended=standing is Standing.RECORDED)
        if entry.kind is ObjectKind.DATABASE:
            return [wish(kinds=frozenset({entry.kind}), schema=0, objects=frozenset({server.database_oid}))]
        if entry.kind in OUTSIDE_SCHEMAS:
            return [wish(kinds=frozenset({entry.kind}), schema=0, objects=self._objects(entry, problems))]
        schema = self._snapshot.schemas.get(entry.schema)
        if schema is None:
            text = f"schema {entry.schema!r} does not exist in database {server.database!r}"
            problems.append(Problem(Reason.OBJECT_NOT_FOUND, text))
            return []
        return [self._in_schema(partial(wish, schema=schema), entry, problems)]

    def _in_schema(self, wish: "partial[Wish]", entry: Entry, problems: list[Problem]) -> Wish:
        if entry.kind is ObjectKind.SCHEMA:
            return wish(kinds=frozenset({entry.kind}), objects=frozenset({self._snapshot.schemas[entry.schema]}))
        kinds = _kinds(entry.kind)
        if entry.future:
            auto = EVERY in entry.owners
            return wish(kinds=kinds, future=True, owners=self._owners(entry, problems), auto=auto)
        columns = frozenset(entry.columns)
        if entry.everything:
            return wish(kinds=kinds, excluded=self._excluded(entry), columns=columns)
        return wish(kinds=kinds, objects=self._objects(entry, problems), columns=columns)

    def _mask(self, entry: Entry, problems: list[Problem]) -> int:
        version = self._snapshot.server.version
        strange = unknown(entry.kind, entry.privileges, version)
        mask = mask_of(entry.kind, entry.privileges, version)
        if strange or not mask:
            what = ", ".join(strange or entry.privileges)
            text = f"PostgreSQL {version} has no {what} for {entry.kind}: take it out"
            problems.append(Problem(Reason.INVALID_SPEC, text))
        return with_option(mask) if entry.option else mask

    def _objects(self, entry: Entry, problems: list[Problem]) -> frozenset[int]:
        catalog = catalog_of(entry.kind)
        kinds = frozenset(RELATIONS) if entry.kind is ObjectKind.COLUMN else _kinds(entry.kind)
        found: set[int] = set()
        missing: list[str] = []
        for name in entry.names:
            oid = self._snapshot.names.get((catalog, entry.schema, name))
            if oid is None:
                missing.append(name)
            elif catalog is Catalog.RELATION and self._kinds.get(oid, entry.kind) not in kinds:
                text = f"{entry.schema}.{name} is a {self._kinds[oid]}, not a {entry.kind}: change the entry's kind"
                problems.append(Problem(Reason.OBJECT_NOT_FOUND, text))
            elif entry.columns and not self._mask_fits(entry, oid):
                kind = self._kinds[oid]
                text = f"{entry.schema}.{name} is a {kind}, whose columns have only {', '.join(ON_COLUMNS[kind])}"
                problems.append(Problem(Reason.INVALID_SPEC, f"{text}: take the other privileges out"))
            else:
                found.add(oid)
                missing += self._missing_columns(entry, name, oid)
        if missing:
            listed = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
            where = f"schema {entry.schema!r}" if entry.schema else f"database {self._snapshot.server.database!r}"
            hints = {signature_hint(name): None for name in missing} if entry.kind is ObjectKind.ROUTINE else {}
            text = "; ".join([f"{entry.kind} {listed} does not exist in {where}", *filter(None, hints)])
            problems.append(Problem(Reason.OBJECT_NOT_FOUND, text))
        return frozenset(found)

    def _mask_fits(self, entry: Entry, oid: int) -> bool:
        """Whether the columns of the relation can have what the entry says of them."""
        possible = ON_COLUMNS.get(self._kinds.get(oid, entry.kind))
        return possible is None or set(entry.privileges) <= set(possible)

    def _missing_columns(self, entry: Entry, name: str, oid: int) -> list[str]:
        there = self._snapshot.columns.get(oid, frozenset())
        return [f"{name}.{column}" for column in entry.columns if column not in there]

    def _excluded(self, entry: Entry) -> frozenset[int]:
        if not entry.excluded:
            return frozenset()
        names = self._snapshot.listed.get((catalog_of(entry.kind), entry.schema), {})
        excluded = Globs(entry.excluded)
        return frozenset(oid for oid, name in names.items() if excluded.match(name))

    def _owners(self, entry: Entry, problems: list[Problem]) -> frozenset[int]:
        if EVERY in entry.owners:
            return self._snapshot.creators.get(entry.schema, frozenset())
        found = (self._snapshot.roles.get(name) for name in entry.owners)
        missing = [name for name in entry.owners if name not in self._snapshot.roles]
        problems += [Problem(Reason.ROLE_NOT_FOUND, f"owner {name!r} does not exist yet") for name in missing]
        return frozenset(role.oid for role in found if role is not None)


def _part(entry: Entry) -> Part:
    return ON_TABLES if not _kinds(entry.kind).isdisjoint((*RELATIONS, ObjectKind.COLUMN)) else GRANTEE


def _names_types(named: Iterable[tuple[Catalog, str, str]]) -> bool:
    """Whether one is a routine, which is found by the types of its arguments."""
    return any(catalog is Catalog.ROUTINE for catalog, _, _ in named)


def _kinds(kind: ObjectKind) -> frozenset[ObjectKind]:
    if kind is ObjectKind.RELATION:
        return frozenset({ObjectKind.TABLE, ObjectKind.VIEW, ObjectKind.MATERIALIZED_VIEW})
    return frozenset({kind})
