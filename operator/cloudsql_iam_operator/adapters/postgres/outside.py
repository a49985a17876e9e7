"""Looking at objects that are in no schema: foreign servers, languages, settings and the like; only when asked for."""

from typing import Any

import psycopg

from cloudsql_iam_operator.adapters.postgres.queries import query
from cloudsql_iam_operator.adapters.postgres.startup import Connection
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.observed.snapshot import (
    OUTSIDE_SCHEMAS,
    AclGroup,
    Catalog,
    Holding,
    Lookups,
    catalog_of,
)

PARAMETERS_SINCE = 150000
"""The first version on which privileges on settings exist."""

Row = tuple[Any, ...]
_KINDS = {catalog_of(kind).value: kind for kind in OUTSIDE_SCHEMAS}


def ask_outside(connection: Connection, lookups: Lookups) -> list[psycopg.Cursor[Row]]:
    """Send the queries for what was asked for; their rows are for `outside_group`."""
    wanted = sorted((c.value, name) for c, schema, name in lookups.named if not schema)
    roles = sorted(lookups.roles)
    parameters = [name for kind, name in wanted if kind == Catalog.PARAMETER.value]
    others = [place for place in wanted if place[0] != Catalog.PARAMETER.value]
    asked: list[psycopg.Cursor[Row]] = []
    if others:
        kinds, names = zip(*others, strict=True)
        values = {"roles": roles, "kinds": list(kinds), "names": list(names)}
        asked.append(connection.execute(query("outside_schemas"), values))
    if parameters and connection.info.server_version >= PARAMETERS_SINCE:
        asked.append(connection.execute(query("parameters"), {"roles": roles, "names": parameters}))
    return asked


def outside_group(row: Row) -> tuple[tuple[Catalog, str, str], AclGroup]:
    """A row as the place of an object and its rights."""
    word, name, oid, owner, grantees, grantors, masks = row
    acl: dict[int, tuple[Holding, ...]] = {}
    for grantee, grantor, mask in zip(grantees or (), grantors or (), masks or (), strict=True):
        acl[grantee] = (*acl.get(grantee, ()), Holding(grantor, mask))
    kind: ObjectKind = _KINDS[word]
    return (catalog_of(kind), "", name), AclGroup(kind, 0, owner, (oid,), acl)
