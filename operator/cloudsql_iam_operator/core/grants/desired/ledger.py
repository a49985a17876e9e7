"""What an object caused, as recorded in its status: the only ground on which it takes anything back later."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.desired.entries import EVERY, Entries, Entry, RoleEntry

_FUTURE = "Future"
"""Prefix of the kind of default privileges: FutureTable."""

_MEMBERSHIP = "Membership"


@dataclass(frozen=True, slots=True, order=True)
class AppliedEntry:
    """One entry of `status.applied`.

    `kind` is an object kind; or Future and an object kind, where `name` is the owner of the objects to come; or
    Membership, where `name` is the role that was granted. `name` may be `*`, less `excluded`.
    """

    kind: str
    role: str
    privileges: tuple[str, ...]
    schema: str = ""
    name: str = ""
    excluded: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    option: bool = False


Ledger = frozenset[AppliedEntry]

_OF_THE_SERVER = frozenset({_MEMBERSHIP, ObjectKind.PARAMETER.value, ObjectKind.TABLESPACE.value})


@lru_cache(maxsize=1024)
def ledger_of(entries: Entries) -> Ledger:
    """What is to be recorded when these entries were applied. Kept, since every pass asks again for every object."""
    applied = {one for entry in entries.privileges for one in _applied(entry)}
    memberships = {
        AppliedEntry(_MEMBERSHIP, member, ("MEMBER",), name=entry.role)
        for entry in entries.memberships
        for member in entry.members
    }
    return frozenset(applied | memberships)


def of_the_server(ledger: Ledger) -> Ledger:
    """The part that every database of the server shares: memberships, parameters, tablespaces."""
    return frozenset(entry for entry in ledger if entry.kind in _OF_THE_SERVER)


def entries_from(ledger: Iterable[AppliedEntry]) -> Entries:
    """The entries that a ledger records, so that both are resolved alike."""
    roles: dict[AppliedEntry, set[str]] = {}
    for applied in ledger:
        shared = AppliedEntry(
            applied.kind,
            "",
            applied.privileges,
            applied.schema,
            applied.name,
            applied.excluded,
            applied.columns,
            applied.option,
        )
        roles.setdefault(shared, set()).add(applied.role)
    privileges: list[Entry] = []
    memberships: list[RoleEntry] = []
    for applied, members in sorted(roles.items()):
        if applied.kind == _MEMBERSHIP:
            memberships.append(RoleEntry(applied.name, tuple(sorted(members))))
        else:
            privileges.append(_entry(applied, tuple(sorted(members))))
    return Entries(tuple(privileges), tuple(memberships))


def rendered(ledger: Ledger) -> list[dict[str, Any]]:
    """The ledger as `status.applied`; sorted, absent fields left out."""
    return [
        {
            "kind": entry.kind,
            "role": entry.role,
            "privileges": list(entry.privileges),
            **({"schema": entry.schema} if entry.schema else {}),
            **({"name": entry.name} if entry.name else {}),
            **({"except": list(entry.excluded)} if entry.excluded else {}),
            **({"columns": list(entry.columns)} if entry.columns else {}),
            **({"option": True} if entry.option else {}),
        }
        for entry in sorted(ledger)
    ]


def recorded(applied: Iterable[Mapping[str, Any]]) -> Ledger:
    """The ledger from `status.applied`."""
    return frozenset(
        AppliedEntry(
            entry["kind"],
            entry["role"],
            tuple(entry["privileges"]),
            entry.get("schema", ""),
            entry.get("name", ""),
            tuple(entry.get("except", ())),
            tuple(entry.get("columns", ())),
            bool(entry.get("option", False)),
        )
        for entry in applied
    )


def _applied(entry: Entry) -> Iterator[AppliedEntry]:
    kind = entry.kind.value
    words = (entry.excluded, entry.columns, entry.option)
    for name in entry.owners if entry.future else entry.names or ("",):
        for role in entry.roles:
            yield AppliedEntry(
                _FUTURE + kind if entry.future else kind, role, entry.privileges, entry.schema, name, *words
            )


def _entry(applied: AppliedEntry, roles: tuple[str, ...]) -> Entry:
    future = applied.kind.startswith(_FUTURE)
    return Entry(
        ObjectKind(applied.kind.removeprefix(_FUTURE)),
        roles,
        applied.privileges,
        applied.schema,
        () if future or not applied.name else (applied.name,),
        applied.excluded,
        applied.columns,
        applied.option,
        future=future,
        owners=(applied.name or EVERY,) if future else (),
    )
