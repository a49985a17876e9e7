"""What an object caused, as recorded in its status: the only ground on which it takes anything back later.

It is kept by lists, as a spec has them: pairs of role and name are never written out, so no record outgrows its spec.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.desired.entries import EVERY, Entries, Entry, RoleEntry

FUTURE = "Future"
"""Prefix of the kind of default privileges: FutureTable."""

MEMBERSHIP = "Membership"

KNOWN = "known:"
"""Prefix of the kind of entries that say what a name stood for, by its oid."""


@dataclass(frozen=True, slots=True, order=True)
class AppliedEntry:
    """One entry of a record: the same for each of `roles` and each of `names`.

    `kind` is an object kind; or Future and an object kind, where `names` are the owners of the objects to come; or
    Membership, where `names` are the roles that were granted and `option` whether with admin. `names` may be only `*`,
    less `excluded`; and only "" for a database or schema. Entries whose kind begins with `known:` have nobody granted
    anything; only they have an `oid`.
    """

    kind: str
    roles: tuple[str, ...]
    privileges: tuple[str, ...]
    schema: str = ""
    names: tuple[str, ...] = ("",)
    excluded: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    option: bool = False
    oid: int = 0


Ledger = frozenset[AppliedEntry]

_NOTHING: Ledger = frozenset()

_Lists = tuple[tuple[str, ...], tuple[str, ...]]
"""Two lists, each of one with each of the other."""

_OF_THE_SERVER = frozenset({MEMBERSHIP, ObjectKind.PARAMETER.value, ObjectKind.TABLESPACE.value})


@lru_cache(maxsize=1024)
def ledger_of(entries: Entries) -> Ledger:
    """What is to be recorded when these entries were applied. Kept, since every pass asks again for every object."""
    applied = [_applied(entry) for entry in entries.privileges if entry.roles]
    applied += [
        AppliedEntry(MEMBERSHIP, _sorted(entry.members), ("MEMBER",), names=(entry.role,), option=bool(entry.admin))
        for entry in entries.memberships
        if entry.members
    ]
    return united(applied)


def united(*ledgers: Iterable[AppliedEntry]) -> Ledger:
    """All that the ledgers record, in few entries; the same whatever it is united from, and united again."""
    groups = alike((entry for ledger in ledgers for entry in ledger), _words)
    return frozenset(shared(one) if one.oid else one for same in groups.values() for one in _fewest(same)) or _NOTHING


@lru_cache(maxsize=8192)
def shared(entry: AppliedEntry) -> AppliedEntry:
    """The same entry, kept once: thousands of records say what the same names of a database stand for."""
    return entry


def less(ledger: Ledger, other: Ledger) -> Ledger:
    """What the ledger records, for role and name, and the other does not."""
    if ledger <= other:
        return _NOTHING
    said = alike(other, _words)
    left: list[AppliedEntry] = []
    for entry in ledger - other:
        pieces = [entry]
        for taken in said.get(_words(entry), ()):
            pieces = [part for piece in pieces for part in _without(piece, taken)]
        left += pieces
    return frozenset(left)


def overlap(ledger: Ledger, other: Ledger) -> Ledger:
    """What the ledger records and the other does too."""
    return less(ledger, less(ledger, other))


def roles_in(ledger: Ledger) -> frozenset[str]:
    """Every role that something is recorded for."""
    return frozenset(role for entry in ledger for role in entry.roles)


def alike(entries: Iterable[AppliedEntry], words: Callable[[AppliedEntry], Any]) -> dict[Any, list[AppliedEntry]]:
    """The entries by what `words` gives of each, in the order they come."""
    groups: dict[Any, list[AppliedEntry]] = {}
    for entry in entries:
        groups.setdefault(words(entry), []).append(entry)
    return groups


def of_roles(ledger: Ledger, keep: Callable[[str], bool]) -> Ledger:
    """The part of the ledger that is about some roles."""
    kept = (replace(entry, roles=tuple(filter(keep, entry.roles))) for entry in ledger)
    return frozenset(entry for entry in kept if entry.roles)


def granted(ledger: Ledger) -> Ledger:
    """The part of the ledger that says what was granted, less what names stood for."""
    return frozenset(entry for entry in ledger if not entry.oid)


def of_the_server(ledger: Ledger) -> Ledger:
    """The part that every database of the server shares: memberships, parameters, tablespaces."""
    return frozenset(entry for entry in ledger if entry.kind in _OF_THE_SERVER)


def of_the_memberships(ledger: Ledger) -> Ledger:
    """The memberships; `names` are the roles that were granted."""
    return frozenset(entry for entry in ledger if entry.kind == MEMBERSHIP)


def of_the_future(ledger: Ledger) -> Ledger:
    """The default privileges; `names` are the owners, or `*`."""
    return frozenset(entry for entry in ledger if entry.kind.startswith(FUTURE))


def applied_kind(kind: ObjectKind, *, future: bool) -> str:
    """The kind of an entry about such objects, or about those to come."""
    return FUTURE + kind.value if future else kind.value


def membership(member: str, role: str) -> AppliedEntry:
    """The entry of one membership."""
    return AppliedEntry(MEMBERSHIP, (member,), ("MEMBER",), names=(role,))


def object_kind(entry: AppliedEntry) -> ObjectKind | None:
    """The kind of objects that an entry is about; None for memberships."""
    return None if entry.kind == MEMBERSHIP else ObjectKind(entry.kind.removeprefix(FUTURE))


def entries_from(ledger: Iterable[AppliedEntry]) -> Entries:
    """The entries that a ledger records, so that both are resolved alike."""
    privileges: list[Entry] = []
    memberships: list[RoleEntry] = []
    for applied in sorted(granted(frozenset(ledger))):
        if applied.kind == MEMBERSHIP:
            memberships += [RoleEntry(role, applied.roles) for role in applied.names]
        else:
            privileges.append(_entry(applied))
    return Entries(tuple(privileges), tuple(memberships))


def _applied(entry: Entry) -> AppliedEntry:
    kind = FUTURE + entry.kind.value if entry.future else entry.kind.value
    names = entry.owners if entry.future else entry.names or ("",)
    words = (entry.excluded, entry.columns, entry.option)
    return AppliedEntry(kind, _sorted(entry.roles), entry.privileges, entry.schema, _sorted(names), *words)


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def _entry(applied: AppliedEntry) -> Entry:
    future = applied.kind.startswith(FUTURE)
    return Entry(
        ObjectKind(applied.kind.removeprefix(FUTURE)),
        applied.roles,
        applied.privileges,
        applied.schema,
        () if future or applied.names == ("",) else applied.names,
        applied.excluded,
        applied.columns,
        applied.option,
        future=future,
        owners=(applied.names if applied.names != ("",) else (EVERY,)) if future else (),
    )


def _words(entry: AppliedEntry) -> tuple[object, ...]:
    """What must be equal for two entries to be folded. `*` has a fold of its own: beside it names say nothing."""
    words = (entry.kind, entry.privileges, entry.schema, entry.excluded, entry.columns, entry.option, entry.oid)
    return *words, entry.names == (EVERY,)


def _fewest(entries: Iterable[AppliedEntry]) -> list[AppliedEntry]:
    """Entries of the same words as few lists, which depend on nothing but the pairs of role and name that are said."""
    unlike = list(dict.fromkeys(entries))
    if len(unlike) == 1:
        return unlike
    one = unlike[0]
    by_name = _folded((entry.names, entry.roles) for entry in unlike)
    by_role = _folded((entry.roles, entry.names) for entry in unlike if entry.roles)
    if by_role and _length(by_role) < _length(by_name):
        return [replace(one, roles=roles, names=names) for roles, names in by_role]
    return [replace(one, roles=roles, names=names) for names, roles in by_name]


def _folded(pairs: Iterable[_Lists]) -> list[_Lists]:
    """Lists that pair the same: what goes with the same others is together."""
    through: dict[str, list[tuple[str, ...]]] = {}
    for lefts, rights in pairs:
        for left in lefts:
            through.setdefault(left, []).append(rights)
    unions: dict[tuple[tuple[str, ...], ...], tuple[str, ...]] = {}
    same: dict[tuple[str, ...], list[str]] = {}
    for left, lists in through.items():
        key = tuple(lists)
        if key not in unions:
            unions[key] = _sorted(one for some in lists for one in some)
        same.setdefault(unions[key], []).append(left)
    return [(_sorted(lefts), rights) for rights, lefts in same.items()]


def _length(lists: Iterable[_Lists]) -> int:
    return sum(len(lefts) + len(rights) for lefts, rights in lists)


def _without(entry: AppliedEntry, taken: AppliedEntry) -> Iterator[AppliedEntry]:
    """The entry in at most two parts, less what the other says with the same words."""
    roles = tuple(role for role in entry.roles if role not in taken.roles)
    names = tuple(name for name in entry.names if name not in taken.names)
    shared = tuple(role for role in entry.roles if role in taken.roles)
    if roles:
        yield replace(entry, roles=roles)
    if shared and names:
        yield replace(entry, roles=shared, names=names)
