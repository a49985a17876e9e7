"""What the names of a record stood for, by oid, so that what was renamed or moved since is found again.

Oids mean something in one database only: it is recorded with them, and those of another are not looked at.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.desired.entries import EVERY, Entry
from cloudsql_iam_operator.core.grants.desired.ledger import (
    FUTURE,
    KNOWN,
    MEMBERSHIP,
    AppliedEntry,
    Ledger,
    granted,
    shared,
)
from cloudsql_iam_operator.core.grants.observed.snapshot import OUTSIDE_SCHEMAS, Catalog, Snapshot, catalog_of

ROLE, SCHEMA, DATABASE = "role", "schema", "database"
"""What has a name, besides what is in a `Catalog`."""

COLUMN = "column"
"""Columns are known by number beside their relation; they are named by both."""

MOST = 8
"""How many things are remembered that had one name, one after the other; the newest."""

_BETWEEN = "\t"
"""No name has a control character."""

MOST_COLUMNS = 500
"""How many columns of one entry are known by number: a record is to be no larger than its spec."""

Name = tuple[str, str, str]
"""What it is, in which schema, and its name then."""

_BARE = frozenset({ObjectKind.DATABASE, ObjectKind.SCHEMA}) | OUTSIDE_SCHEMAS


@dataclass(frozen=True, slots=True)
class Identities:
    """The oids that names stood for."""

    oids: Mapping[Name, frozenset[int]] = field(default_factory=dict)

    def of(self, what: str, schema: str, name: str) -> frozenset[int]:
        """Those of one name."""
        return self.oids.get((what, schema, name), frozenset())

    def all_of(self, *what: str) -> frozenset[int]:
        """Those of all names of these."""
        return frozenset(oid for (word, _, _), oids in self.oids.items() if word in what for oid in oids)


@lru_cache(maxsize=1024)
def recorded_identities(ledger: Ledger) -> Identities:
    """What a ledger records, of whatever database. Kept, since every pass asks again for every object."""
    found: dict[Name, frozenset[int]] = {}
    for entry in ledger:
        if entry.kind.startswith(KNOWN):
            for plain in entry.names:
                name = (entry.kind.removeprefix(KNOWN), entry.schema, plain)
                found[name] = found.get(name, frozenset()) | {entry.oid}
    return Identities(found)


def recorded_roles(ledger: Ledger) -> Iterator[tuple[str, int]]:
    """Roles by the names that a ledger records, with the oids that these stood for."""
    return ((name, entry.oid) for entry in ledger if entry.kind == KNOWN + ROLE for name in entry.names)


def identities(ledger: Ledger, snapshot: Snapshot) -> Identities:
    """What a ledger records, when it is about the database that the snapshot shows."""
    found = recorded_identities(ledger)
    here = snapshot.server.database_oid in found.of(DATABASE, system_of(snapshot.server.identity), "")
    return found if here else Identities()


def system_of(identity: str) -> str:
    """The part of a database's identity that tells its server from others."""
    return identity.rpartition("/")[2]


def _held(ledger: Ledger, known: Identities, snapshot: Snapshot) -> frozenset[int]:
    """What was asked for by oid, and one of a ledger's roles has rights on."""
    if not snapshot.known:
        return frozenset()
    names = {role for entry in granted(ledger) for role in entry.roles}
    roles = frozenset(
        oid for name in names for oid in known.of(ROLE, "", name) | _standing_for((ROLE, "", name), snapshot)
    )
    wanted = frozenset(oid for _, oid in snapshot.known)
    held = [g.members for g in snapshot.groups if not g.future and not roles.isdisjoint(g.acl)]
    return wanted.intersection(oid for members in held for oid in members)


def left_behind(ledger: Ledger, known: Identities, snapshot: Snapshot) -> tuple[str, ...]:
    """What the names of a ledger stood for and is called otherwise now, while it has what was granted; sentences."""
    names = {name for entry in granted(ledger) for name in _names(entry)} if known.oids else set()
    whole = (name for name in names if name[0] != COLUMN)
    astray = sorted(name for name in whole if not known.of(*name) <= _standing_for(name, snapshot))
    if not astray:
        return ()
    roles = {role.oid: role.name for role in snapshot.roles.values()}
    schemas = {oid: name for name, oid in snapshot.schemas.items()}
    held = _held(ledger, known, snapshot)
    found: list[str] = []
    for what, schema, name in astray:
        for oid in sorted(known.of(what, schema, name)):
            if what in (ROLE, SCHEMA):
                now = (roles if what == ROLE else schemas).get(oid, name)
                moved = now != name
            else:
                place = snapshot.known.get((Catalog(what), oid), (schema, name))
                now, moved = ".".join(place), place != (schema, name.partition("(")[0].strip('"'))
                moved &= oid in held
            if moved:
                was = f"{schema}.{name}" if schema else name
                found.append(f"{what} {was} is {now} now: what was granted there stays until its entry goes")
    return tuple(found[:MOST])


def with_identities(ledger: Ledger, before: Identities, snapshot: Snapshot) -> Ledger:
    """The ledger, and the oids that its names stand for, or stood for as long as that exists; () when it is empty."""
    what = granted(ledger)
    if not what:
        return what
    server = snapshot.server
    names: dict[tuple[str, str, int], list[str]] = {(DATABASE, system_of(server.identity), server.database_oid): [""]}
    there = {
        ROLE: before.all_of(ROLE) & snapshot.role_oids,
        SCHEMA: frozenset(snapshot.schemas.values()),
        COLUMN: before.all_of(COLUMN),
    }
    held = _held(what, before, snapshot)
    for name in sorted({name for entry in what for name in _names(entry)}):
        word, schema, plain = name
        oids = (before.of(*name) & there.get(word, held)) | _standing_for(name, snapshot)
        for oid in sorted(oids)[-MOST:]:
            names.setdefault((word, schema, oid), []).append(plain)
    entries = (AppliedEntry(KNOWN + w, (), (), s, tuple(sorted(n)), oid=oid) for (w, s, oid), n in names.items())
    return what | {shared(entry) for entry in entries}


def objects_now(entry: Entry, known: Identities, snapshot: Snapshot) -> Mapping[int, frozenset[int]]:
    """By schema what had the names of an entry about single objects, wherever it is; less what has them now."""
    catalog = catalog_of(entry.kind)
    found: dict[int, frozenset[int]] = {}
    for name in entry.names if not entry.everything else ():
        now = snapshot.names.get((catalog, entry.schema, name), 0)
        for oid in known.of(catalog.value, entry.schema, name) - {now}:
            schema = snapshot.schemas.get(snapshot.known.get((catalog, oid), ("", ""))[0], 0)
            found[schema] = found.get(schema, frozenset()) | {oid}
    return {schema: oids for schema, oids in found.items() if schema}


def columns_now(entry: Entry, known: Identities, snapshot: Snapshot) -> Mapping[tuple[int, int], frozenset[str]]:
    """By schema and relation what columns are called that had the names of an entry, where that is something else."""
    found: dict[tuple[int, int], frozenset[str]] = {}
    for name, column in product(entry.names, entry.columns):
        numbers = known.of(COLUMN, entry.schema, _of_table(name, column))
        for oid in known.of(Catalog.RELATION.value, entry.schema, name) if numbers else ():
            there = snapshot.known_columns.get(oid, {})
            now = frozenset(there.get(number, column) for number in numbers) - {column}
            schema = snapshot.schemas.get(snapshot.known.get((Catalog.RELATION, oid), ("", ""))[0], 0)
            if now and schema:
                found[schema, oid] = found.get((schema, oid), frozenset()) | now
    return found


def _of_table(table: str, column: str) -> str:
    return table + _BETWEEN + column


def _names(entry: AppliedEntry) -> Iterator[Name]:
    """All that an entry names, less what stands for everything."""
    roles: Iterable[str] = entry.roles
    if entry.kind == MEMBERSHIP or entry.kind.startswith(FUTURE):
        roles = (*entry.roles, *entry.names)
    elif (kind := ObjectKind(entry.kind)) not in _BARE:
        yield from ((catalog_of(kind).value, entry.schema, name) for name in entry.names if name != EVERY)
        if len(entry.names) * len(entry.columns) <= MOST_COLUMNS:
            yield from ((COLUMN, entry.schema, _of_table(name, one)) for name in entry.names for one in entry.columns)
    yield from ((ROLE, "", role) for role in roles if role not in (EVERY, ""))
    if entry.schema:
        yield SCHEMA, "", entry.schema


def _standing_for(name: Name, snapshot: Snapshot) -> frozenset[int]:
    what, schema, plain = name
    if what == ROLE:
        role = snapshot.roles.get(plain)
        return frozenset() if role is None else frozenset({role.oid})
    if what == COLUMN:
        table, _, column = plain.partition(_BETWEEN)
        relation = snapshot.names.get((Catalog.RELATION, schema, table), 0)
        return frozenset(n for n, name in snapshot.known_columns.get(relation, {}).items() if name == column)
    oid = snapshot.schemas.get(plain) if what == SCHEMA else snapshot.names.get((Catalog(what), schema, plain))
    return frozenset() if oid is None else frozenset({oid})
