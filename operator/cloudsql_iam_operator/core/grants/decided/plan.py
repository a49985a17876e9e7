"""One pass decided: wants of all keys and one snapshot in; operations, numbers and problems of each key out."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.api.object_kinds import FUTURE_KINDS, SHAPES
from cloudsql_iam_operator.core.grants.changes.operations import MembershipOperation, Operation, Verb
from cloudsql_iam_operator.core.grants.changes.statements import Statement
from cloudsql_iam_operator.core.grants.decided.counts import Observed, Tallies
from cloudsql_iam_operator.core.grants.decided.difference import difference
from cloudsql_iam_operator.core.grants.decided.memberships import Membership, MembershipDifference
from cloudsql_iam_operator.core.grants.decided.memberships import difference as membership_difference
from cloudsql_iam_operator.core.grants.decided.memberships import resolved as resolved_memberships
from cloudsql_iam_operator.core.grants.decided.notes import for_all_schemas, window
from cloudsql_iam_operator.core.grants.decided.residual import Residual, residuals
from cloudsql_iam_operator.core.grants.decided.resolution import Problem, Resolver
from cloudsql_iam_operator.core.grants.decided.wishes import Standing, Wish
from cloudsql_iam_operator.core.grants.desired.entries import Entries
from cloudsql_iam_operator.core.grants.desired.ledger import (
    Ledger,
    entries_from,
    granted,
    ledger_of,
    less,
    united,
)
from cloudsql_iam_operator.core.grants.desired.mirror import left_alone, recorded_reach, surplus
from cloudsql_iam_operator.core.grants.desired.privileges import EVERYTHING
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.denials import Part, closed_roles, granted_role
from cloudsql_iam_operator.core.grants.observed.identities import Identities, identities, left_behind
from cloudsql_iam_operator.core.grants.observed.public import SHUT_OUT, shuts_out_the_operator
from cloudsql_iam_operator.core.grants.observed.snapshot import Snapshot
from cloudsql_iam_operator.core.reasons import Reason

IN_SCHEMA = frozenset(kind for kind, shape in SHAPES.items() if shape.in_schema)
"""Kinds of which Exclusive takes away whatever nobody declares."""


@dataclass(frozen=True, slots=True)
class GrantWant:
    """What one DatabaseGrant wants of a database.

    `ledger` is what its status records. Deletion wants no entries, with the ledger and `Managed`. `dry`: only say what
    would be done, unless that has the hash `approved`. `held` is what of the ledger is to be left as it is; `found`
    what of it was there before, which is never taken. `listed` are roles that the access rule names in full;
    with `cascade` it has what grantees passed on taken along. `recording`: what it declares for the first time is to
    be recorded, with what of it is found, before any of it is done.
    """

    entries: Entries
    ledger: Ledger = frozenset()
    enforcement: Enforcement = Enforcement.MANAGED
    dry: bool = False
    held: Ledger = frozenset()
    found: Ledger = frozenset()
    approved: str = ""
    listed: frozenset[str] = frozenset()
    cascade: bool = False
    recording: bool = False

    def recorded(self) -> "GrantWant":
        """The same once all that it declares is on record."""
        return replace(self, ledger=united(self.ledger, ledger_of(self.entries)), recording=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass is to do, and how every key stands before it; `advice` is what works but had better be changed.

    `notes` say what holds beyond what is declared. `wishes` and `members` are what all entries come to, those on record
    too.
    """

    operations: tuple[Operation, ...]
    memberships: tuple[MembershipOperation, ...]
    problems: Mapping[Key, tuple[Problem, ...]]
    observed: Mapping[Key, Observed]
    residual: Mapping[Key, tuple[Residual, ...]]
    advice: Mapping[Key, tuple[str, ...]]
    notes: Mapping[Key, tuple[str, ...]]
    wishes: tuple[Wish, ...]
    members: tuple[Membership, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.operations and not self.memberships

    @property
    def takes_from_tables(self) -> bool:
        """Whether something is taken from whole relations, and therefore from their columns too."""
        relations = {ObjectKind.TABLE, ObjectKind.VIEW, ObjectKind.MATERIALIZED_VIEW}
        return any(op.verb is Verb.REVOKE and op.kind in relations and not op.future for op in self.operations)

    def without(self, keys: frozenset[Key]) -> "Plan":
        """The plan less what only these keys cause."""
        return replace(
            self,
            operations=tuple(op for op in self.operations if not op.keys <= keys),
            memberships=tuple(op for op in self.memberships if not op.keys <= keys),
        )

    def caused_by(self, key: Key) -> "Plan":
        """The part of the plan that this key has a share in."""
        return replace(
            self,
            operations=tuple(op for op in self.operations if key in op.keys),
            memberships=tuple(op for op in self.memberships if key in op.keys),
        )

    def giving(self) -> "Plan":
        """The part of the plan that grants."""
        return replace(
            self,
            operations=tuple(op for op in self.operations if op.verb is Verb.GRANT),
            memberships=tuple(op for op in self.memberships if op.give),
        )

    def joins(self, snapshot: Snapshot) -> frozenset[str]:
        """Names of the roles that it grants to somebody."""
        names = snapshot.role_names()
        return frozenset(names[operation.role] for operation in self.memberships if operation.give)

    def size_of(self, key: Key) -> int:
        """How many privileges and memberships of a key it changes."""
        mine = self.caused_by(key)
        return sum(operation.size for operation in mine.operations) + len(mine.memberships)


def plan(wants: Mapping[Key, GrantWant], claims: Mapping[Key, Ledger], snapshot: Snapshot, reach: Reach) -> Plan:
    """What to do so that the database holds the union of all wants.

    `claims` are the ledgers of live objects that want nothing yet in this process: what they hold stays.
    """
    pool, closed = _Pool(snapshot), closed_roles(snapshot, reach)
    for key, want in wants.items():
        entries = pool.open(key, want.entries, closed.difference(want.listed))
        pool.add(key, Standing.WANTED, entries, want.listed)
        pool.add(key, Standing.CLAIMED, Entries(left_alone(entries)))
        known = identities(want.ledger, snapshot)
        if want.enforcement is not Enforcement.ADDITIVE:
            pool.add_recorded(key, Standing.RECORDED, stale(want), known)
            pool.add(key, Standing.SURPLUS, beyond(want))
        pool.add_recorded(key, Standing.CLAIMED, held_back(want), known)
        pool.add(key, Standing.CLAIMED, entries_from(want.found))
        pool.take_from_everybody(key, want.entries)
        if want.enforcement is Enforcement.EXCLUSIVE:
            pool.own(key, want.entries)
    for key, ledger in claims.items():
        if key not in wants:
            pool.add_recorded(key, Standing.CLAIMED, ledger, identities(ledger, snapshot))
    found = difference(pool.wishes, snapshot, reach)
    exclusive = frozenset(key for key, want in wants.items() if want.enforcement is Enforcement.EXCLUSIVE)
    members = membership_difference(pool.memberships, snapshot, reach, exclusive)
    for key, problem in members.problems:
        pool.problems.setdefault(key, []).append(problem)
    for key in wants:
        pool.problems.setdefault(key, []).extend(found.tallies.of(key).obstacles(snapshot))
        refused = (crowd for crowd in found.crowds if key in crowd.refused)
        pool.problems[key] += [Problem(Reason.TOO_MANY_GRANTEES, crowd.sentence) for crowd in refused]
    return Plan(
        tuple(sorted(found.operations, key=_order)),
        members.operations,
        {key: tuple(dict.fromkeys(problems)) for key, problems in pool.problems.items()},
        {key: _observed(key, found.tallies, found.operations, members) for key in wants},
        residuals(pool.wishes, snapshot),
        {key: tuple(c.sentence for c in found.crowds if key in c.keys - c.refused) for key in wants},
        _notes(wants, pool.wishes, snapshot),
        tuple(pool.wishes),
        tuple(pool.memberships),
    )


def stale(want: GrantWant) -> Ledger:
    """What the ledger records and the entries do not declare any more, so that it is to be taken back."""
    return less(less(granted(want.ledger), ledger_of(want.entries)), held_back(want))


def beyond(want: GrantWant) -> Entries:
    """What entries that are declared still, and on record, may have put on objects beyond what they declare."""
    found = surplus(want.entries)
    return Entries(found) if found and not less(ledger_of(want.entries), want.ledger) else Entries()


def held_back(want: GrantWant) -> Ledger:
    """What the ledger records and is to be left as it is, neither given anew nor taken."""
    return want.held


def digest(statements: Iterable[Statement], identity: str) -> str:
    """A hash over the effects of statements on one database; the same plan has the same hash."""
    effects = sorted(_effect(statement) for statement in statements)
    text = json.dumps([identity, effects], separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


class _Pool:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._resolver = Resolver(snapshot)
        self.wishes: list[Wish] = []
        self.memberships: list[Membership] = []
        self.problems: dict[Key, list[Problem]] = {}

    def add(self, key: Key, standing: Standing, entries: Entries, listed: frozenset[str] = frozenset()) -> None:
        """Resolve entries; only what is wanted now can be a problem."""
        self._take_in(self._resolver, key, standing, entries, granted_role(listed))

    def _take_in(self, resolver: Resolver, key: Key, standing: Standing, entries: Entries, part: Part) -> None:
        found = resolver.resolve(key, standing, entries.privileges)
        members, problems = resolved_memberships(key, standing, entries.memberships, resolver, part)
        self.wishes += found.wishes
        self.memberships += members
        if standing is Standing.WANTED:
            self.problems.setdefault(key, []).extend((*found.problems, *problems))

    def open(self, key: Key, entries: Entries, closed: frozenset[str]) -> Entries:
        """The entries less memberships in roles that are closed to whoever has no rule that names them."""
        shut = sorted({entry.role for entry in entries.memberships} & closed)
        if not shut:
            return entries
        text = f"nobody is made a member of {', '.join(shut)}, an IAM login or a role that the operator works as"
        remedy = "ask for its full name in databaseRoles of the access rule, or leave it out"
        self.problems.setdefault(key, []).append(Problem(Reason.ROLE_NOT_ALLOWED, f"{text}: {remedy}"))
        return replace(entries, memberships=tuple(one for one in entries.memberships if one.role not in closed))

    def add_recorded(self, key: Key, standing: Standing, ledger: Ledger, known: Identities) -> None:
        """Resolve what a ledger records, with all that it stands for, and all that its names stood for."""
        entries = entries_from(ledger)
        whole = replace(entries, privileges=recorded_reach(entries.privileges))
        self._take_in(self._resolver.knowing(known), key, standing, whole, granted_role(frozenset()))

    def take_from_everybody(self, key: Key, entries: Entries) -> None:
        """What the entries say that PUBLIC is not to have."""
        shut_out = [entry for entry in entries.public if shuts_out_the_operator(entry, self._snapshot)]
        found = self._resolver.resolve(key, Standing.OWNED, (e for e in entries.public if e not in shut_out))
        self.wishes += found.wishes
        self.problems.setdefault(key, []).extend(found.problems)
        if shut_out:
            self.problems[key].append(Problem(Reason.SQL_PERMISSION_DENIED, SHUT_OUT))

    def own(self, key: Key, entries: Entries) -> None:
        """Everything that the key's grantees hold in its schemas and on the database."""
        roles = self._resolver.grantees(Standing.WANTED, tuple(sorted(entries.roles)), [])
        everywhere = {self._snapshot.schemas[name] for name in entries.schemas if name in self._snapshot.schemas}
        places = [(schema, IN_SCHEMA) for schema in sorted(everywhere)]
        for schema, kinds in [*places, (0, frozenset({ObjectKind.DATABASE}))]:
            self.wishes.append(Wish(key, Standing.OWNED, kinds, schema, roles, EVERYTHING, extended=True))
        future = frozenset(FUTURE_KINDS)
        self.wishes += [
            Wish(key, Standing.OWNED, future, schema, roles, EVERYTHING, future=True)
            for schema in (0, *sorted(everywhere))
        ]


def _notes(wants: Mapping[Key, GrantWant], wishes: Iterable[Wish], snapshot: Snapshot) -> Mapping[Key, tuple[str, ...]]:
    everywhere = for_all_schemas(wishes, snapshot)
    return {
        key: (
            *window(want.entries, taken=want.enforcement is not Enforcement.ADDITIVE),
            *everywhere.get(key, ()),
            *left_behind(ledger_of(want.entries), identities(want.ledger, snapshot), snapshot),
        )
        for key, want in wants.items()
    }


def _observed(
    key: Key, tallies: Tallies, operations: Iterable[Operation], memberships: MembershipDifference
) -> Observed:
    taken = [op for op in operations if key in op.keys and op.verb is not Verb.GRANT]
    tally = tallies.of(key)
    tally.desired += memberships.desired.get(key, 0)
    tally.held += memberships.held.get(key, 0)
    lost = sum(1 for op in memberships.operations if key in op.keys and not op.give)
    return tally.observed(sum(op.size for op in taken) + lost)


def _order(operation: Operation) -> tuple[object, ...]:
    return (
        operation.verb.value,
        operation.kind.value,
        operation.future,
        operation.objects,
        operation.columns,
        operation.roles,
        operation.mask,
        operation.grantor,
        operation.option,
    )


def _effect(statement: Statement) -> str:
    words = {name: getattr(statement, name) for name in statement.__slots__ if name not in {"keys", "lockable"}}
    return json.dumps(words, default=str, sort_keys=True)
