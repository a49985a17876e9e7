"""Relations: which kind of object each relkind of pg_class is, for the queries and for all decisions alike."""

from cloudsql_iam_operator.api.grant import ObjectKind

RELKINDS = {
    "r": ObjectKind.TABLE,
    "p": ObjectKind.TABLE,
    "f": ObjectKind.TABLE,
    "v": ObjectKind.VIEW,
    "m": ObjectKind.MATERIALIZED_VIEW,
    "S": ObjectKind.SEQUENCE,
}
"""Relations that privileges can be granted on: plain, partitioned and foreign tables, views, sequences.

Source: PostgreSQL 14-18, pg_class.relkind
"""

RELATIONS = tuple(dict.fromkeys(RELKINDS.values()))
"""Kinds whose names share one space within a schema, and whose columns can have rights of their own."""

LOCKABLE = frozenset({"r", "p"})
"""Relkinds that LOCK TABLE takes by themselves: a view's lock takes the tables below it too."""

ON_COLUMNS = {ObjectKind.SEQUENCE: ("SELECT",)}
"""What can be granted on the columns of a kind, where that is less than on those of a table."""
