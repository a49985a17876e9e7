"""Looking at a database: one consistent snapshot of what was asked for, in one round trip for the most part."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import psycopg

from cloudsql_iam_operator.adapters.postgres.encoding import legible
from cloudsql_iam_operator.adapters.postgres.outside import PARAMETERS_SINCE, ask_outside, outside_group
from cloudsql_iam_operator.adapters.postgres.queries import query
from cloudsql_iam_operator.adapters.postgres.session import reading, require_trusted
from cloudsql_iam_operator.adapters.postgres.startup import Connection
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.object_kinds import ROUTINES
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.grants.changes.statements import ObjectName
from cloudsql_iam_operator.core.grants.desired.identifiers import signature
from cloudsql_iam_operator.core.grants.desired.privileges import BITS
from cloudsql_iam_operator.core.grants.observed.relkinds import LOCKABLE, RELKINDS
from cloudsql_iam_operator.core.grants.observed.snapshot import (
    AclGroup,
    Catalog,
    Holding,
    Lookups,
    Role,
    RoleGrant,
    Server,
    Snapshot,
    Whereabouts,
)
from cloudsql_iam_operator.core.reasons import Reason

log = logging.getLogger(__name__)

T = TypeVar("T")
Row = tuple[Any, ...]
Cursor = psycopg.Cursor[Row]

_KINDS = {
    **RELKINDS,
    "function": ObjectKind.FUNCTION,
    "procedure": ObjectKind.PROCEDURE,
    "type": ObjectKind.TYPE,
    "schema": ObjectKind.SCHEMA,
    "database": ObjectKind.DATABASE,
    "column": ObjectKind.COLUMN,
    "future r": ObjectKind.TABLE,
    "future S": ObjectKind.SEQUENCE,
    "future f": ObjectKind.ROUTINE,
    "future T": ObjectKind.TYPE,
    "future n": ObjectKind.SCHEMA,
    "future L": ObjectKind.LARGE_OBJECT,
}
_NAMES = {
    ObjectKind.FUNCTION: "routine_names",
    ObjectKind.PROCEDURE: "routine_names",
    ObjectKind.TYPE: "type_names",
}


def fingerprint(connection: Connection, role: str, kinds: Iterable[ObjectKind]) -> str:
    """A text that changes whenever a name, a right, a role or a membership does; of objects, those of `kinds`."""
    wanted = frozenset(kinds)
    settings = ObjectKind.PARAMETER in wanted and connection.info.server_version >= PARAMETERS_SINCE
    with reading(connection, role):
        asked = [_ask(connection, "fingerprint", {"kinds": _values(wanted)})]
        asked += [_ask(connection, "fingerprint_parameters")] if settings else []
    return "/".join(str(row[0]) for rows in asked for row in rows)


def inspect(connection: Connection, role: str, owner_roles: Sequence[str], lookups: Lookups) -> Snapshot:
    """The database as seen by `role`, as far as it was asked for; `owner_roles` help out where that sees nothing."""
    with reading(connection, role):
        foreign_code = _ask(connection, "event_triggers")
        server = _ask(connection, "server")
        roles = _ask(connection, "roles")
        role_grants = _ask(connection, "role_grants")
        schemas = _ask(connection, "schemas")
        groups = _ask(connection, "acl_groups", _rights_of(lookups), binary=True)
        names = {
            Catalog.RELATION: _named(connection, "named_relations", lookups, Catalog.RELATION),
            Catalog.TYPE: _named(connection, "named_types", lookups, Catalog.TYPE),
        }
        listed = _listed(connection, lookups)
        asked_outside = ask_outside(connection, lookups)
        columns = _pairs(connection, "columns", lookups.columns)
        creators = _ask(connection, "creators", {"schemas": sorted(lookups.creators)}) if lookups.creators else None
        known = _ask(connection, "known_objects", {"oids": sorted(lookups.known)}) if lookups.known else None
        known_columns = _known_columns(connection, lookups)
        elsewhere = _elsewhere(connection, lookups)
        named_routines = sorted((s, name) for c, s, name in lookups.named if c is Catalog.ROUTINE)
        routines = _routines(connection, (role, *owner_roles), named_routines)
    require_trusted(foreign_code)
    outside = [one for rows in asked_outside for one in each(rows, outside_group)]
    return Snapshot(
        _server(server),
        {role.name: role for role in each(roles, lambda row: Role(*row))},
        tuple(each(role_grants, lambda row: RoleGrant(*row))),
        {name: oid for oid, name in schemas},
        (*each(groups, _group), *(group for _, group in outside)),
        {
            **{where: group.members[0] for where, group in outside},
            **{(Catalog.ROUTINE, *place): oid for place, oid in routines.items()},
            **_oids(names),
        },
        listed=_by_schema(listed),
        columns={oid: frozenset(found) for oid, found in columns or ()},
        creators=_creators(creators),
        known={(Catalog(word), oid): (schema, name) for word, oid, schema, name in known or ()},
        known_columns={oid: dict(zip(numbers, names, strict=True)) for oid, numbers, names in known_columns or ()},
        elsewhere=tuple(_whereabouts(row) for row in elsewhere or ()),
    )


def each(rows: Iterable[Row], read: Callable[[Row], T]) -> Iterator[T]:
    """The rows as they are read; one that cannot be is passed over with a word in the log, and hides no other."""
    for row in rows:
        try:
            yield read(row)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is that row's
            log.warning("a row of the catalog was passed over: %s: %s", type(error).__name__, legible(repr(row))[:200])


def _rights_of(lookups: Lookups) -> dict[str, object]:
    return {
        "roles": sorted(lookups.roles),
        "schemas": sorted(lookups.schemas),
        "kinds": _values(lookups.kinds),
        "everywhere": lookups.everywhere,
        "known": sorted(lookups.known),
        "known_roles": sorted(lookups.known_roles),
    }


def databases(connection: Connection, role: str) -> dict[tuple[str, int], str]:
    """Names of all databases by the server's own number and oid."""
    with reading(connection, role):
        rows = _ask(connection, "databases")
    return {(system, oid): name for oid, name, system in rows}


def object_names(
    connection: Connection, role: str, wanted: Mapping[ObjectKind, Iterable[int]]
) -> dict[tuple[ObjectKind, int], ObjectName]:
    """Names of objects by kind and oid; what exists no more is left out. Databases and schemas are not asked for."""
    found: dict[tuple[ObjectKind, int], ObjectName] = {}
    with reading(connection, role):
        asked = [
            (kind, _ask(connection, _NAMES.get(kind, "relation_names"), {"oids": sorted(oids)}))
            for kind, oids in wanted.items()
        ]
    for kind, rows in asked:
        for oid, schema, name, *arguments in rows:
            types = tuple(zip(*arguments[:2], strict=True)) if arguments else ()
            found[kind, oid] = ObjectName(schema, name, types)
    return found


def _values(kinds: Iterable[ObjectKind]) -> list[str]:
    """The kinds as the queries know them, which read all routines or none."""
    return sorted({ObjectKind.ROUTINE.value if kind in ROUTINES else kind.value for kind in kinds})


def _ask(
    connection: Connection, name: str, values: Mapping[str, object] | None = None, *, binary: bool = False
) -> Cursor:
    cursor = connection.cursor(binary=binary)
    return cursor.execute(query(name), {**values, "relkinds": list(RELKINDS)} if values is not None else None)


def _pairs(connection: Connection, name: str, places: Iterable[tuple[str, str]]) -> Cursor | None:
    wanted = sorted(places)
    if not wanted:
        return None
    schemas, names = zip(*wanted, strict=True)
    return _ask(connection, name, {"schemas": list(schemas), "names": list(names)})


def _named(connection: Connection, name: str, lookups: Lookups, catalog: Catalog) -> Cursor | None:
    return _pairs(connection, name, ((schema, wanted) for where, schema, wanted in lookups.named if where is catalog))


def _listed(connection: Connection, lookups: Lookups) -> dict[Catalog, Cursor]:
    asked: dict[Catalog, Cursor] = {}
    for catalog in Catalog:
        schemas = sorted(schema for where, schema in lookups.listed if where is catalog)
        if schemas:
            asked[catalog] = _ask(connection, f"listed_{catalog.value}s", {"schemas": schemas})
    return asked


def _known_columns(connection: Connection, lookups: Lookups) -> Cursor | None:
    if not lookups.known or ObjectKind.COLUMN not in lookups.kinds:
        return None
    return _ask(connection, "known_columns", {"oids": sorted(lookups.known)})


def _elsewhere(connection: Connection, lookups: Lookups) -> Cursor | None:
    if not lookups.elsewhere:
        return None
    values = {"roles": sorted(lookups.elsewhere), "known_roles": sorted(lookups.known_elsewhere)}
    return _ask(connection, "elsewhere", values)


def _whereabouts(row: Row) -> Whereabouts:
    kind, schema, role, privilege, objects, name = row
    return Whereabouts(_KINDS[kind], schema, role, BITS[privilege], objects, name)


def _oids(names: Mapping[Catalog, Cursor | None]) -> dict[tuple[Catalog, str, str], int]:
    return {(catalog, schema, name): oid for catalog, rows in names.items() for schema, name, oid in rows or ()}


def _routines(
    connection: Connection, roles: Sequence[str], wanted: list[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """Oids of routines by schema and signature as written; what the server cannot read is not there.

    Reading a signature takes USAGE on its schemas, which the first role that has it must lend.
    """
    if not wanted:
        return {}
    for role in roles:
        try:
            with connection.transaction():
                connection.execute("select pg_catalog.set_config('role', %s, true)", (role or "none",))
                rows = _ask(connection, "named_routines", _signatures(wanted)).fetchall()
                connection.execute("select pg_catalog.set_config('role', %s, true)", (roles[0] or "none",))
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue):
            continue
        except (psycopg.ProgrammingError, psycopg.DataError, psycopg.NotSupportedError):
            break
        return {(schema, written): oid for schema, written, oid in rows if oid is not None}
    if len(wanted) == 1:
        return {}
    # One that cannot be read fails them all: before PostgreSQL 16 for an unknown type, else for a closed schema.
    middle = len(wanted) // 2
    return {**_routines(connection, roles, wanted[:middle]), **_routines(connection, roles, wanted[middle:])}


def _signatures(wanted: list[tuple[str, str]]) -> dict[str, list[str]]:
    parts = [signature(written) for _, written in wanted]
    return {
        "schemas": [schema for schema, _ in wanted],
        "signatures": [written for _, written in wanted],
        "names": [name for name, _ in parts],
        "arguments": [arguments for _, arguments in parts],
    }


def _server(rows: Cursor) -> Server:
    row = rows.fetchone()
    if row is None:
        raise NotYet(Reason.DATABASE_NOT_FOUND, "the database was dropped while it was read: create it again")
    return Server(*row)


def _group(row: Row) -> AclGroup:
    kind, schema, owner, column, extended, members, entries, grantees, grantors, masks = row
    acl: dict[int, tuple[Holding, ...]] = {}
    for grantee, grantor, mask in zip(grantees or (), grantors or (), masks or (), strict=True):
        alone = _alone(grantor, mask)
        acl[grantee] = (*acl[grantee], *alone) if grantee in acl else alone
    return AclGroup(
        _KINDS[kind],
        schema,
        owner,
        tuple(members),
        acl,
        lockable=kind in LOCKABLE,
        future=kind.startswith("future"),
        column=column,
        entries=entries,
        extended=extended,
    )


@lru_cache(maxsize=1024)
def _alone(grantor: int, mask: int) -> tuple[Holding]:
    """One and the same value for the thousands of alike ones that a large database has."""
    return (Holding(grantor, mask),)


def _by_schema(asked: Mapping[Catalog, Cursor]) -> dict[tuple[Catalog, str], dict[int, str]]:
    listed: dict[tuple[Catalog, str], dict[int, str]] = {}
    for catalog, rows in asked.items():
        for schema, oid, name in rows:
            listed.setdefault((catalog, schema), {})[oid] = name
    return listed


def _creators(rows: Cursor | None) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for schema, role in rows or ():
        found.setdefault(schema, set()).add(role)
    return {schema: frozenset(roles) for schema, roles in found.items()}
