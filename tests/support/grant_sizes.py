"""Specs of grants whose lists multiply to exactly what is allowed, one for each kind of list, and to just more."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def named(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def grantees(count: int) -> list[Json]:
    return [{"role": name} for name in named("g", count)]


def table(**fields: Any) -> Json:
    said = {"kind": "Table", "schema": "app", "names": ["*"], "privileges": ["SELECT"], **fields}
    return {field: value for field, value in said.items() if value is not None}


def columns(names: int, count: int) -> Json:
    listed = {"names": named("t", names), "columns": named("c", count)}
    return {"kind": "Column", "schema": "app", "privileges": ["SELECT"], **listed}


def schemas(count: int, names: int) -> Json:
    return {"kind": "Table", "schemas": named("s", count), "names": named("t", names), "privileges": ["SELECT"]}


def future(owners: int) -> Json:
    return {"owners": named("o", owners), "schema": "app", "kind": "Table", "privileges": ["SELECT"]}


def public(count: int, names: int) -> Json:
    return {"kind": "Table", "schemas": named("s", count), "names": named("t", names), "revoke": ["SELECT"]}


def pairs() -> Iterator[tuple[str, Json, Json]]:
    """What multiplies, changes to a minimal grant that reach 1,000,000, and such that reach just more."""
    many = {"grantees": grantees(100)}
    half, most = [schemas(100, 50)], [schemas(100, 100)]
    yield "columns", many | {"grants": [columns(50, 200)]}, many | {"grants": [columns(51, 200)]}
    yield "schemas", many | {"grants": most}, many | {"grants": [*most, table()]}
    left_out = {"schemas": named("s", 100), "schema": None, "except": named("x", 99)}
    yield "except", many | {"grants": [table(**left_out)]}, many | {"grants": [table(**left_out), table()]}
    yield (
        "future",
        many | {"grants": [*half, table()], "future": [future(50)] * 99 + [future(49)]},
        many | {"grants": [*half, table()], "future": [future(50)] * 100},
    )
    yield (
        "public",
        many | {"grants": [*half, table()], "public": [public(100, 100)] * 49 + [public(100, 99)]},
        many | {"grants": [*half, table()], "public": [public(100, 100)] * 50},
    )
    preset = {"grants": [schemas(100, 94)] + [table()] * 6, "preset": "read"}
    yield "preset", many | preset | {"schemas": named("s", 99)}, many | preset | {"schemas": named("s", 100)}
    entries = many | {"grants": [schemas(1, 50)] * 200}
    yield "entries", entries, entries | {"memberships": [{"role": "m"}]}
