"""What a role that is to lose a privilege has passed on: PostgreSQL takes nothing back that others hold through it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.changes.operations import MembershipOperation, Operation, Verb
from cloudsql_iam_operator.core.grants.decided.memberships import OPTIONS_SINCE
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant, Plan
from cloudsql_iam_operator.core.grants.desired.privileges import PLAIN
from cloudsql_iam_operator.core.grants.observed.snapshot import AclGroup, Snapshot


def cascading(found: Plan, wants: Mapping[Key, GrantWant], snapshot: Snapshot) -> Plan:
    """The plan whose revocations take along what was passed on, where the rules of all that cause them say so."""
    keys = frozenset(key for key, want in wants.items() if want.cascade)
    if not keys:
        return found
    groups = _by_object(snapshot.groups, found.operations)
    return replace(
        found,
        operations=tuple(
            replace(op, cascade=True) if op.keys <= keys and _passed_on(op, groups) else op for op in found.operations
        ),
        memberships=tuple(
            replace(op, cascade=True) if op.keys <= keys and _passed_by_member(op, snapshot) else op
            for op in found.memberships
        ),
    )


def _by_object(groups: Iterable[AclGroup], operations: Iterable[Operation]) -> Mapping[int, list[AclGroup]]:
    """Groups by those of their members from which something is taken."""
    wanted = {oid for op in operations if op.verb is not Verb.GRANT and not op.future for oid in op.objects}
    found: dict[int, list[AclGroup]] = {}
    for group in groups if wanted else ():
        for oid in wanted.intersection(group.members) if not group.future else ():
            found.setdefault(oid, []).append(group)
    return found


def _passed_on(op: Operation, groups: Mapping[int, list[AclGroup]]) -> bool:
    """Whether one of the roles gave away what is taken from it."""
    if op.verb is Verb.GRANT or op.future:
        return False
    return any(
        holding.grantor in op.roles and holding.grantor != group.owner and holding.mask & op.mask & PLAIN
        for oid in op.objects
        for group in groups.get(oid, ())
        if group.kind is op.kind and (not op.columns or group.column in op.columns)
        for holdings in group.acl.values()
        for holding in holdings
    )


def _passed_by_member(op: MembershipOperation, snapshot: Snapshot) -> bool:
    """Whether the member gave the role away; memberships hang on their grantor from PostgreSQL 16 on."""
    if op.give or snapshot.server.version < OPTIONS_SINCE:
        return False
    return any((grant.role, grant.grantor) == (op.role, op.member) for grant in snapshot.role_grants)
