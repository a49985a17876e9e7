"""A ledger as `status.applied` holds it: by lists, as a spec has them. What it means is the ledger's."""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.grants.desired.ledger import KNOWN, AppliedEntry, Ledger, alike, granted, united
from cloudsql_iam_operator.core.reasons import Reason

RECORD_BYTES = 256 * 1024
"""Most bytes of a record as JSON. The API server stores an object of 1.5 MiB, and the spec is in that too."""


def rendered(ledger: Ledger) -> list[dict[str, Any]]:
    """The ledger as `status.applied`: to whom, in which schemas, what; sorted, absent fields left out.

    Roles and schemas are written once for all that is the same for them, as a spec does.
    """
    by_schemas: dict[AppliedEntry, set[str]] = {}
    for entry in granted(ledger):
        by_schemas.setdefault(replace(entry, schema=""), set()).add(entry.schema)
    by_roles: dict[tuple[str, ...], dict[tuple[str, ...], list[AppliedEntry]]] = {}
    for entry, schemas in sorted(by_schemas.items()):
        by_roles.setdefault(entry.roles, {}).setdefault(tuple(sorted(schemas)), []).append(entry)
    return [
        {"roles": list(roles), "places": [_place(schemas, what) for schemas, what in sorted(places.items())]}
        for roles, places in sorted(by_roles.items())
    ] + _identities(ledger - granted(ledger))


def recorded(applied: Iterable[Mapping[str, Any]]) -> Ledger:
    """The ledger from `status.applied`."""
    items = list(applied)
    known = (
        AppliedEntry(KNOWN + named["kind"], (), (), named.get("schema", ""), (name,), oid=int(oid))
        for one in items
        for named in one.get("oids", ())
        for name, oid in zip(named["names"], named["oids"], strict=True)
    )
    entries = (
        AppliedEntry(
            sys.intern(grant["kind"]),
            tuple(one["roles"]),
            _once(grant["privileges"]),
            sys.intern(schema),
            _once(grant.get("names", ("",))),
            _once(grant.get("except", ())),
            _once(grant.get("columns", ())),
            bool(grant.get("option", False)),
        )
        for one in items
        for place in one["places"]
        for schema in place.get("schemas", ("",))
        for grant in place["grants"]
    )
    return united(known, entries)


def check_size(ledger: Ledger) -> None:
    """Refuse what cannot be recorded, and therefore not be taken back one day."""
    size = len(json.dumps(rendered(ledger), ensure_ascii=False, separators=(",", ":")).encode())
    if size > RECORD_BYTES:
        raise Refused(
            Reason.INVALID_SPEC,
            f"the record of what this object grants would take {size // 1024} KiB of its status, and "
            f"{RECORD_BYTES // 1024} KiB are the most: split it into several objects, or name fewer things with `*`",
        )


def _once(names: Iterable[str]) -> tuple[str, ...]:
    """The names, kept once for all: most records say the same of the same objects."""
    return _kept(tuple(names))


@lru_cache(maxsize=4096)
def _kept(names: tuple[str, ...]) -> tuple[str, ...]:
    return names


def _identities(known: Ledger) -> list[dict[str, Any]]:
    """What names stood for, as the last item: oids beside their names."""
    groups = alike(sorted(known), lambda entry: (entry.kind, entry.schema))
    listed = [
        {
            "kind": kind.removeprefix(KNOWN),
            **({"schema": schema} if schema else {}),
            "names": [name for entry in same for name in entry.names],
            "oids": [entry.oid for entry in same for _ in entry.names],
        }
        for (kind, schema), same in groups.items()
    ]
    return [{"roles": [], "places": [], "oids": listed}] if listed else []


def _place(schemas: tuple[str, ...], what: Iterable[AppliedEntry]) -> dict[str, Any]:
    where = {} if schemas == ("",) else {"schemas": list(schemas)}
    return {**where, "grants": [_grant(entry) for entry in what]}


def _grant(entry: AppliedEntry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "privileges": list(entry.privileges),
        **({} if entry.names == ("",) else {"names": list(entry.names)}),
        **({"except": list(entry.excluded)} if entry.excluded else {}),
        **({"columns": list(entry.columns)} if entry.columns else {}),
        **({"option": True} if entry.option else {}),
    }
