"""From entries, which know names, to wishes, which know what exists; and what cannot be found or allowed."""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from functools import partial

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.api.object_kinds import ROUTINES
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.globs import Globs
from cloudsql_iam_operator.core.grants.decided.wishes import Standing, Wish
from cloudsql_iam_operator.core.grants.desired.entries import EVERY, Entry
from cloudsql_iam_operator.core.grants.desired.identifiers import signature_hint
from cloudsql_iam_operator.core.grants.desired.mirror import kinds_of
from cloudsql_iam_operator.core.grants.desired.privileges import DEFAULTS_SINCE, mask_of, unknown, with_option
from cloudsql_iam_operator.core.grants.observed.denials import (
    GRANTEE,
    ON_TABLES,
    Denials,
    Part,
    check_schema,
    own_schema,
)
from cloudsql_iam_operator.core.grants.observed.identities import ROLE, SCHEMA, Identities, columns_now, objects_now
from cloudsql_iam_operator.core.grants.observed.relkinds import ON_COLUMNS, RELATIONS
from cloudsql_iam_operator.core.grants.observed.snapshot import (
    DATABASE_OWNER,
    OUTSIDE_SCHEMAS,
    PUBLIC,
    Catalog,
    Snapshot,
    catalog_of,
)
from cloudsql_iam_operator.core.reasons import Reason

_TAKEN = frozenset({Standing.RECORDED, Standing.SURPLUS})

_TOLD_APART = frozenset({*RELATIONS, *ROUTINES})
"""Kinds that share a space of names with others."""


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


class Resolver:
    """Resolves entries against one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._denials = Denials(snapshot)
        self._oids = frozenset(role.oid for role in snapshot.roles.values())
        self._known = Identities()
        self._verdicts: dict[tuple[str, Part], int | Problem] = {}
        self._allowances: dict[tuple[tuple[str, ...], Part], tuple[frozenset[int], tuple[Problem, ...]]] = {}
        self._kinds = {
            oid: group.kind
            for group in snapshot.groups
            if group.kind in _TOLD_APART and not group.future
            for oid in group.members
        }

    @property
    def version(self) -> int:
        """Major version of the server."""
        return self._snapshot.server.version

    def knowing(self, known: Identities) -> "Resolver":
        """One that also finds what had the entries' names when they were recorded, whatever it is called now."""
        other = copy(self)
        vars(other).update(_known=known)
        return other

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
        # What was granted once is taken back whatever has become of the role since, unless the operator logs in as it.
        found = frozenset(oid for name in names for oid in self._roles(name))
        return found - {self._snapshot.server.session_role} if standing in _TAKEN else found

    def _roles(self, name: str) -> frozenset[int]:
        """The role of a name, and those that had it."""
        role = self._snapshot.roles.get(name)
        named = frozenset() if role is None else frozenset({role.oid})
        return named | (self._known.of(ROLE, "", name) & self._oids)

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
        owners = self._owners(standing, entry, problems) if entry.owners else None
        wish = partial(
            Wish,
            key,
            standing,
            frozenset({entry.kind} if entry.future else kinds_of(entry.kind)),
            mask=mask,
            roles=roles,
            owners=owners,
            auto=EVERY in entry.owners,
            # What was granted once is taken back, though the object may have become an extension's since.
            extended=standing is Standing.RECORDED,
        )
        if entry.future and not entry.schema:
            return [wish(schema=0, future=True)]
        if entry.kind is ObjectKind.DATABASE:
            return [wish(schema=0, objects=frozenset({server.database_oid}))]
        if entry.kind in OUTSIDE_SCHEMAS:
            return [wish(schema=0, objects=None if entry.everything else self._objects(entry, problems))]
        schemas = self._schemas(entry, problems)
        return [self._in_schema(schema, wish, entry, problems) for schema in schemas] + self._elsewhere(wish, entry)

    def _elsewhere(self, wish: "partial[Wish]", entry: Entry) -> list[Wish]:
        """About single objects and columns that had the entry's names, wherever and whatever they are called now."""
        known, snapshot, names = self._known, self._snapshot, frozenset(entry.columns)
        found = objects_now(entry, known, snapshot).items()
        columns = columns_now(entry, known, snapshot).items()
        return [
            *(wish(schema=schema, objects=oids, columns=names) for schema, oids in found),
            *(wish(schema=schema, objects=frozenset({oid}), columns=now) for (schema, oid), now in columns),
        ]

    def _schemas(self, entry: Entry, problems: list[Problem]) -> list[int]:
        if not entry.schema:
            return [oid for name, oid in self._snapshot.schemas.items() if not own_schema(name)]
        schema = self._snapshot.schemas.get(entry.schema)
        known = self._known.of(SCHEMA, "", entry.schema) & frozenset(self._snapshot.schemas.values())
        if schema is None:
            text = f"schema {entry.schema!r} does not exist in database {self._snapshot.server.database!r}"
            problems.append(Problem(Reason.OBJECT_NOT_FOUND, text))
        return sorted(known.union([] if schema is None else [schema]))

    def _in_schema(self, schema: int, wish: "partial[Wish]", entry: Entry, problems: list[Problem]) -> Wish:
        if entry.future:
            return wish(schema=schema, future=True)
        if entry.kind is ObjectKind.SCHEMA:
            return wish(schema=schema, objects=frozenset({schema}))
        columns = frozenset(entry.columns)
        if entry.everything:
            return wish(schema=schema, excluded=self._excluded(entry), columns=columns)
        return wish(schema=schema, objects=self._objects(entry, problems), columns=columns)

    def _mask(self, entry: Entry, problems: list[Problem]) -> int:
        version = self._snapshot.server.version
        strange = unknown(entry.kind, entry.privileges, version)
        mask = mask_of(entry.kind, entry.privileges, version)
        if entry.future and version < DEFAULTS_SINCE.get(entry.kind, 0):
            strange, mask = ("default privileges",), 0
        if strange or not mask:
            what = ", ".join(strange or entry.privileges)
            text = f"PostgreSQL {version} has no {what} for {entry.kind}: take it out"
            problems.append(Problem(Reason.INVALID_SPEC, text))
        return with_option(mask) if entry.option else mask

    def _objects(self, entry: Entry, problems: list[Problem]) -> frozenset[int]:
        catalog = catalog_of(entry.kind)
        kinds = RELATIONS if entry.kind is ObjectKind.COLUMN else kinds_of(entry.kind)
        found: set[int] = set()
        missing: list[str] = []
        for name in entry.names:
            oid = self._snapshot.names.get((catalog, entry.schema, name))
            if oid is None:
                missing.append(name)
            elif self._kinds.get(oid, kinds[0]) not in kinds:
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
            hints = {signature_hint(name): None for name in missing} if catalog is Catalog.ROUTINE else {}
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

    def _owners(self, standing: Standing, entry: Entry, problems: list[Problem]) -> frozenset[int] | None:
        """Whose objects an entry is about; None for everybody's, which what is on record is taken back from."""
        wanted = entry.future and standing is Standing.WANTED
        if EVERY in entry.owners:
            return self._creating(self._snapshot.creators.get(entry.schema, frozenset())) if wanted else None
        missing = [name for name in entry.owners if name not in self._snapshot.roles]
        problems += [Problem(Reason.ROLE_NOT_FOUND, f"owner {name!r} does not exist yet") for name in missing]
        owners = frozenset(oid for name in entry.owners for oid in self._roles(name))
        return self._creating(owners) if wanted else owners | self._creating(owners)

    def _creating(self, owners: frozenset[int]) -> frozenset[int]:
        """The roles that objects are made by: nobody can be pg_database_owner, whose one member owns the database."""
        nobody = self._snapshot.roles.get(DATABASE_OWNER)
        if nobody is None or nobody.oid not in owners:
            return owners
        return owners - {nobody.oid} | {self._snapshot.server.database_owner}


def _part(entry: Entry) -> Part:
    return GRANTEE if {*RELATIONS, ObjectKind.COLUMN}.isdisjoint(kinds_of(entry.kind)) else ON_TABLES
