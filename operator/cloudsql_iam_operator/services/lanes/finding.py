"""What wants of a pass found rather than caused: looked up in what the pass observed, before it writes anything."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cloudsql_iam_operator.adapters.postgres.database import Database
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.caused.found import Found, Record, found, record_of
from cloudsql_iam_operator.core.grants.changes.operations import unnamed
from cloudsql_iam_operator.core.grants.changes.statements import ObjectName
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import EVERY
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, entries_from, ledger_of, less, roles_in, united
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.snapshot import Snapshot

Kept = tuple[Ledger, Ledger]
"""What one object has on record as applied, and what of that as found."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The wants with what they found, and how many privileges each did."""

    wants: Mapping[Key, GrantWant]
    privileges: Mapping[Key, int]


def findings(
    database: Database, wants: Mapping[Key, GrantWant], others: Iterable[Kept], snapshot: Snapshot, reach: Reach
) -> Findings:
    """What is found of what each want declares for the first time, and what of that found before is held still.

    `others` are the records of objects that want nothing yet in this process.
    """
    if not any(want.found or less(ledger_of(want.entries), want.ledger) for want in wants.values()):
        return Findings(wants, {})
    records = _Records([*((want.ledger, want.found) for want in wants.values()), *others])
    seen = {key: _seen(want, records, snapshot, reach) for key, want in wants.items()}
    seen = {key: those for key, those in seen.items() if those[0].privileges or wants[key].found}
    names = _names(database, [one for those in seen.values() for one in those], snapshot)
    changed = {
        key: replace(
            wants[key], found=united(_unnamed(wants[key].found), *(record_of(f, names, snapshot) for f in those))
        )
        for key, those in seen.items()
    }
    numbers = {key: sum(one.privileges for one in those) for key, those in seen.items()}
    return Findings({**wants, **changed}, numbers)


class _Records:
    """Records by the roles that they are about: the others say nothing of what a role holds."""

    def __init__(self, records: Sequence[Kept]) -> None:
        self._records = records
        self._by_role: dict[str, list[int]] = {}
        for number, (applied, exceptions) in enumerate(records):
            for role in roles_in(applied) | roles_in(exceptions):
                self._by_role.setdefault(role, []).append(number)

    def about(self, ledger: Ledger) -> Iterator[Record]:
        """Those that are about a role of the ledger."""
        numbers = {number for role in roles_in(ledger) for number in self._by_role.get(role, ())}
        for applied, exceptions in (self._records[number] for number in sorted(numbers)):
            yield entries_from(applied), entries_from(exceptions)


def _seen(want: GrantWant, records: _Records, snapshot: Snapshot, reach: Reach) -> tuple[Found, Found]:
    """What is found of what is new, and what of the old findings is held still."""
    new = less(ledger_of(want.entries), want.ledger)
    old = want.found - _unnamed(want.found)
    return (
        found(entries_from(new), records.about(new), snapshot, reach) if new else Found(),
        found(entries_from(old), (), snapshot, reach) if old else Found(),
    )


def _unnamed(exceptions: Ledger) -> Ledger:
    """Findings that are too many to be named: they stay as they are."""
    return frozenset(entry for entry in exceptions if entry.names == (EVERY,) and not entry.kind.startswith("Future"))


def _names(database: Database, every: list[Found], snapshot: Snapshot) -> Mapping[tuple[ObjectKind, int], ObjectName]:
    outside = {(kind, oid): ObjectName("", name) for kind, oid, name in snapshot.outside_schemas()}
    operations = [operation for one in every for operation in one.operations]
    return {**database.names(unnamed(operations)), **outside} if operations else outside
