"""Privileges as bit masks: one bit each, and the same bits shifted up for their grant options."""

from functools import cache

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.object_kinds import ALL, SHAPES

BITS = {
    "INSERT": 1 << 0,
    "SELECT": 1 << 1,
    "UPDATE": 1 << 2,
    "DELETE": 1 << 3,
    "TRUNCATE": 1 << 4,
    "REFERENCES": 1 << 5,
    "TRIGGER": 1 << 6,
    "EXECUTE": 1 << 7,
    "USAGE": 1 << 8,
    "CREATE": 1 << 9,
    "TEMPORARY": 1 << 10,
    "CONNECT": 1 << 11,
    "SET": 1 << 12,
    "ALTER SYSTEM": 1 << 13,
    "MAINTAIN": 1 << 14,
}
"""The bit of each privilege; the numbers are PostgreSQL's own (AclMode in nodes/parsenodes.h)."""

OPTION_SHIFT = 16
"""How far up the bit of a privilege's grant option is."""

PLAIN = (1 << OPTION_SHIFT) - 1
"""All privileges without grant options."""

EVERYTHING = PLAIN | PLAIN << OPTION_SHIFT
"""All privileges with their grant options."""

DEFAULTS_SINCE = {ObjectKind.LARGE_OBJECT: 18}
"""The first major version with default privileges of a kind, where that is not every version."""

_SINCE = {"MAINTAIN": 17, "SET": 15, "ALTER SYSTEM": 15}


@cache
def known(kind: ObjectKind, version: int) -> tuple[str, ...]:
    """Privileges that a server of this major version has for a kind."""
    return tuple(name for name in SHAPES[kind].privileges if _SINCE.get(name, 0) <= version)


@cache
def unknown(kind: ObjectKind, privileges: tuple[str, ...], version: int) -> tuple[str, ...]:
    """Those of the privileges that a server of this major version does not have for a kind; sorted."""
    return tuple(sorted(set(privileges) - {ALL, *known(kind, version)}))


@cache
def mask_of(kind: ObjectKind, privileges: tuple[str, ...], version: int) -> int:
    """The bits of privileges; ALL is what the version has, and what it has not is left out."""
    names = set(privileges)
    return sum(BITS[name] for name in known(kind, version) if ALL in names or name in names)


def with_option(mask: int) -> int:
    """The privileges and their grant options."""
    return mask | mask << OPTION_SHIFT


def options(mask: int) -> int:
    """The privileges whose grant option is in the mask."""
    return mask >> OPTION_SHIFT


def names_of(mask: int) -> tuple[str, ...]:
    """Names of the privileges in a mask, grant options aside, in PostgreSQL's order."""
    return tuple(name for name, bit in BITS.items() if mask & bit)


def count(mask: int) -> int:
    """How many privileges a mask holds, grant options aside."""
    return (mask & PLAIN).bit_count()
