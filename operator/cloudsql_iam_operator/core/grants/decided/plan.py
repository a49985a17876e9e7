"""One pass decided: wants of all keys and one snapshot in; operations, numbers and problems of each key out."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.api.object_kinds import FUTURE_KINDS
from cloudsql_iam_operator.core.grants.changes.operations import MembershipOperation, Operation, Verb
from cloudsql_iam_operator.core.grants.changes.statements import Statement
from cloudsql_iam_operator.core.grants.decided.counts import Observed, Tallies
from cloudsql_iam_operator.core.grants.decided.difference import difference
from cloudsql_iam_operator.core.grants.decided.memberships import Membership, MembershipDifference
from cloudsql_iam_operator.core.grants.decided.memberships import difference as membership_difference
from cloudsql_iam_operator.core.grants.decided.memberships import resolved as resolved_memberships
from cloudsql_iam_operator.core.grants.decided.public import SHUT_OUT, shuts_out_the_operator
from cloudsql_iam_operator.core.grants.decided.residual import Residual, residuals
from cloudsql_iam_operator.core.grants.decided.resolution import Problem, Resolver, Standing, Wish, lookups_of
from cloudsql_iam_operator.core.grants.desired.entries import Entries
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, entries_from, ledger_of, less
from cloudsql_iam_operator.core.grants.desired.privileges import EVERYTHING
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.denials import closed_roles, granted_role
from cloudsql_iam_operator.core.grants.observed.snapshot import Lookups, Snapshot
from cloudsql_iam_operator.core.reasons import Reason

IN_SCHEMA = frozenset(
    {
        ObjectKind.SCHEMA,
        ObjectKind.TABLE,
        ObjectKind.VIEW,
        ObjectKind.MATERIALIZED_VIEW,
        ObjectKind.COLUMN,
        ObjectKind.SEQUENCE,
        ObjectKind.ROUTINE,
        ObjectKind.TYPE,
    }
)
"""Kinds of which Exclusive takes away whatever nobody declares."""


@dataclass(frozen=True, slots=True)
class GrantWant:
    """What one DatabaseGrant wants of a database.

    `ledger` is what its status records. Deletion wants no entries, with the ledger and `Managed`. `dry`: only say what
    would be done, unless that has the hash `approved`. `held` is what of the ledger is to be left as it is; `found`
    what of it was there before, which is never taken. `listed` are roles that the access rule names in full;
    with `cascade` it has what grantees passed on taken along.
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


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass is to do, and how every key stands before it; `advice` is what works but had better be changed.

    `wishes` and `members` are what all entries come to, those on record too.
    """

    operations: tuple[Operation, ...]
    memberships: tuple[MembershipOperation, ...]
    problems: Mapping[Key, tuple[Problem, ...]]
    observed: Mapping[Key, Observed]
    residual: Mapping[Key, tuple[Residual, ...]]
    advice: Mapping[Key, tuple[str, ...]]
    wishes: tuple[Wish, ...]
    members: tuple[Membership, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.operations and not self.memberships

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

    def size_of(self, key: Key) -> int:
        """How many privileges and memberships of a key it changes."""
        mine = self.caused_by(key)
        return sum(operation.size for operation in mine.operations) + len(mine.memberships)


def lookups(wants: Mapping[Key, GrantWant], claims: Mapping[Key, Ledger]) -> Lookups:
    """What a pass must know of the database."""
    ledgers = [less(want.ledger, ledger_of(want.entries)) for want in wants.values()] + list(claims.values())
    ledgers += [want.found for want in wants.values() if want.found]
    found = lookups_of([*(want.entries for want in wants.values()), *(entries_from(ledger) for ledger in ledgers)])
    return replace(found, kinds=found.kinds.union(*(_swept(want) for want in wants.values())))


def _swept(want: GrantWant) -> frozenset[ObjectKind]:
    """Kinds that a want may take something from, though no entry of it names them."""
    if want.enforcement is Enforcement.EXCLUSIVE:
        return IN_SCHEMA
    # The REVOKE of a table takes the rights on its columns along, some of which may be somebody else's.
    return frozenset({ObjectKind.COLUMN}) if stale(want) or want.entries.public else frozenset()


def plan(wants: Mapping[Key, GrantWant], claims: Mapping[Key, Ledger], snapshot: Snapshot, reach: Reach) -> Plan:
    """What to do so that the database holds the union of all wants.

    `claims` are the ledgers of live objects that want nothing yet in this process: what they hold stays.
    """
    pool, closed = _Pool(snapshot), closed_roles(snapshot, reach)
    for key, want in wants.items():
        entries = pool.open(key, want.entries, closed.difference(want.listed))
        pool.add(key, Standing.WANTED, entries, want.listed)
        if want.enforcement is not Enforcement.ADDITIVE:
            pool.add(key, Standing.RECORDED, entries_from(stale(want)))
        pool.add(key, Standing.CLAIMED, entries_from(held_back(want) | want.found))
        pool.take_from_everybody(key, want.entries)
        if want.enforcement is Enforcement.EXCLUSIVE:
            pool.own(key, want.entries)
    for key, ledger in claims.items():
        if key not in wants:
            pool.add(key, Standing.CLAIMED, entries_from(ledger))
    found = difference(pool.wishes, snapshot, reach)
    exclusive = frozenset(key for key, want in wants.items() if want.enforcement is Enforcement.EXCLUSIVE)
    members = membership_difference(pool.memberships, snapshot, reach, exclusive)
    for key, problem in members.problems:
        pool.problems.setdefault(key, []).append(problem)
    names = snapshot.role_names()
    for key in wants:
        pool.problems.setdefault(key, []).extend(_obstacles(key, found.tallies, names))
        refused = (crowd for crowd in found.crowds if key in crowd.refused)
        pool.problems[key] += [Problem(Reason.TOO_MANY_GRANTEES, crowd.sentence) for crowd in refused]
    return Plan(
        tuple(sorted(found.operations, key=_order)),
        members.operations,
        {key: tuple(dict.fromkeys(problems)) for key, problems in pool.problems.items()},
        {key: _observed(key, found.tallies, found.operations, members) for key in wants},
        residuals(pool.wishes, snapshot),
        {key: tuple(c.sentence for c in found.crowds if key in c.keys - c.refused) for key in wants},
        tuple(pool.wishes),
        tuple(pool.memberships),
    )


def stale(want: GrantWant) -> Ledger:
    """What the ledger records and the entries do not declare any more, so that it is to be taken back."""
    return less(less(want.ledger, ledger_of(want.entries)), held_back(want))


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
        found = self._resolver.resolve(key, standing, entries.privileges)
        wanted = entries.memberships
        members, problems = resolved_memberships(key, standing, wanted, self._resolver, granted_role(listed))
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
        owners = frozenset(group.owner for group in self._snapshot.groups if group.future)
        future = frozenset(FUTURE_KINDS)
        self.wishes += [
            Wish(key, Standing.OWNED, future, schema, roles, EVERYTHING, future=True, owners=owners)
            for schema in sorted(everywhere)
        ]


def _obstacles(key: Key, tallies: Tallies, names: Mapping[int, str]) -> list[Problem]:
    tally = tallies.of(key)
    owners = [
        Problem(
            Reason.UNREACHABLE_OWNER,
            f"{len(objects)} object(s) belong to role {names.get(owner, owner)!r}, whom the operator may not act as: "
            "make its database user a member of that role and name it in the instance's ownerRoles",
        )
        for owner, objects in sorted(tally.owners.items())
    ]
    grantors = [
        Problem(
            Reason.REVOKE_BLOCKED,
            f"privileges that role {names.get(grantor, grantor)!r} granted to {_listed(holders, names)} cannot be "
            "revoked: the operator may not act as it, or PostgreSQL takes it for the owner; revoke them as that role, "
            "or make the operator's database user a member of it and name it in the instance's ownerRoles",
        )
        for grantor, holders in sorted(tally.grantors.items())
    ]
    return owners + grantors


def _listed(roles: Iterable[int], names: Mapping[int, str]) -> str:
    known = sorted(str(names.get(role, role)) for role in roles)
    return ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "")


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
