"""Specs of grants whose lists multiply to exactly what is allowed, one for each kind of list, and to just more."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def named(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def grantees(count: int) -> list[Json]:
    return [{"role": name} for name in named("g", count)]


def table(**fields: Any) -> Json:
    return {"kind": "Table", "schema": "app", "names": ["*"], "privileges": ["SELECT"], **fields}


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
    """What multiplies, changes to a minimal grant that reach 20,000, and such that reach just more."""
    few, one = grantees(20), grantees(1)
    yield "columns", {"grantees": few, "grants": [columns(10, 100)]}, {"grantees": few, "grants": [columns(10, 101)]}
    yield "schemas", {"grantees": few, "grants": [schemas(50, 20)]}, {"grantees": few, "grants": [schemas(50, 21)]}
    yield (
        "except",
        {"grantees": grantees(100), "grants": [table(**{"except": named("x", 99)})] * 2},
        {"grantees": grantees(100), "grants": [table(**{"except": named("x", 99)})] * 2 + [table()]},
    )
    yield (
        "future",
        {"grantees": grantees(100), "grants": None, "future": [future(50)] * 4},
        {"grantees": grantees(100), "grants": None, "future": [future(50)] * 4 + [future(1)]},
    )
    yield (
        "public",
        {"grantees": one, "grants": None, "public": [public(100, 100)] * 2},
        {"grantees": one, "grants": [table()], "public": [public(100, 100)] * 2},
    )
    yield (
        "preset",
        {"grantees": grantees(100), "grants": None, "preset": "read", "schemas": named("s", 33)},
        {"grantees": grantees(100), "grants": None, "preset": "read", "schemas": named("s", 34)},
    )
    yield (
        "entries",
        {"grantees": grantees(100), "grants": [table()] * 200},
        {"grantees": grantees(100), "grants": [table()] * 200, "memberships": [{"role": "m"}]},
    )
