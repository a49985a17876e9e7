"""What of operations that several keys caused together is each one's own, and of that what was done."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.changes.operations import MembershipOperation, Operation
from cloudsql_iam_operator.core.grants.changes.statements import (
    ObjectName,
    Statement,
    chunked,
    coalesced,
    membership_statements,
    named,
)
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.snapshot import Snapshot


@dataclass(slots=True)
class Share:
    """The operations that one key had a share in."""

    operations: list[Operation] = field(default_factory=list)
    memberships: list[MembershipOperation] = field(default_factory=list)

    def without(self, left: "Share") -> "Share":
        """What is done of these when `left` is still to be done."""
        missing: dict[Operation, set[int]] = {}
        for operation in left.operations:
            missing.setdefault(_words(operation), set()).update(operation.objects)
        done = [_without(operation, missing.get(_words(operation), set())) for operation in self.operations]
        still = {(op.give, op.role, op.member) for op in left.memberships}
        return Share(
            [operation for operation in done if operation.objects],
            [op for op in self.memberships if (op.give, op.role, op.member) not in still],
        )


def shares(operations: Iterable[Operation], memberships: Iterable[MembershipOperation]) -> Mapping[Key, Share]:
    """The share of each key, as if it alone had caused it; what several want is in the share of each."""
    found: dict[Key, Share] = {}
    for operation in operations:
        for key in operation.keys:
            found.setdefault(key, Share()).operations.append(replace(operation, keys=frozenset({key})))
    for membership in memberships:
        for key in membership.keys:
            found.setdefault(key, Share()).memberships.append(replace(membership, keys=frozenset({key})))
    return found


def statements_of(
    share: Share, names: Mapping[tuple[ObjectKind, int], ObjectName], snapshot: Snapshot, reach: Reach
) -> tuple[Statement, ...]:
    """The share as statements, as they would be if there were no others: nobody is told what others have."""
    privileges = named(coalesced(share.operations), names, snapshot, reach)
    pieces = chunked((*membership_statements(share.memberships, snapshot), *privileges))
    return tuple(statement for transaction in pieces for statement in transaction.statements)


def _words(operation: Operation) -> Operation:
    """What tells operations apart beside their objects."""
    return replace(operation, objects=(), keys=frozenset(), cascade=False)


def _without(operation: Operation, missing: set[int]) -> Operation:
    return replace(operation, objects=tuple(oid for oid in operation.objects if oid not in missing))
