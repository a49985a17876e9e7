"""Whom a pass for a few keys can concern: all who have to do with the same grantees, and nobody else.

What is wished and what is held is compared for each role by itself. So keys that have no role in common, neither
declared nor on record, decide nothing for each other, and a pass over some with all that share a role with them does
for these what a pass over everything does. What reaches further is told, and takes a pass over everything.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant, Plan
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, granted, ledger_of, of_the_memberships, roles_in
from cloudsql_iam_operator.core.grants.desired.privileges import BITS
from cloudsql_iam_operator.core.grants.observed.identities import recorded_roles
from cloudsql_iam_operator.core.grants.observed.snapshot import Snapshot
from cloudsql_iam_operator.core.reasons import Reason

Wants = Mapping[Key, GrantWant]
Claims = Mapping[Key, Ledger]


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Wants that have roles in common, and the claims to these roles; `records` are everybody's."""

    wants: Wants
    claims: Claims
    roles: frozenset[str]
    records: tuple[Ledger, ...]

    def is_left_by(self, found: Plan, snapshot: Snapshot) -> bool:
        """Whether a plan over the neighbourhood may concern others, or others it."""
        return _reaches_out(found) or any(_renamed(self.roles, self.records, snapshot))


def neighbourhood(sought: frozenset[Key], wants: Wants, claims: Claims) -> Neighbourhood | None:
    """All who have to do with what these keys have to do with; None when that is better looked at with all others."""
    roles_of = {key: mentioned(want) for key, want in wants.items()}
    by_role: dict[str, list[Key]] = {}
    for key, mine in roles_of.items():
        for role in mine:
            by_role.setdefault(role, []).append(key)
    near: set[Key] = set()
    roles: set[str] = set()
    trail = [key for key in sought if key in wants]
    while trail:
        key = trail.pop()
        if key not in near:
            near.add(key)
            new = roles_of[key] - roles
            roles |= new
            trail += [other for role in new for other in by_role[role]]
    if 2 * len(near) > len(wants) or any(_concerns_all(wants[key]) for key in near):
        return None
    records = (*(want.ledger for want in wants.values()), *claims.values())
    return Neighbourhood(
        {key: want for key, want in wants.items() if key in near},
        {key: ledger for key, ledger in claims.items() if not roles.isdisjoint(roles_in(ledger))},
        frozenset(roles),
        records,
    )


def mentioned(want: GrantWant) -> frozenset[str]:
    """Every role that a want grants to, or has on record or found as a grantee."""
    return want.entries.roles | roles_in(want.ledger) | roles_in(want.found)


def _concerns_all(want: GrantWant) -> bool:
    """Whether it is about everybody, has a plan with a hash, or changes who is a member of what."""
    if want.dry or want.approved or want.entries.public:
        return True
    return of_the_memberships(ledger_of(want.entries)) != of_the_memberships(granted(want.ledger))


def _reaches_out(found: Plan) -> bool:
    """Whether something is done that others have to do with.

    A membership changes what other roles have and whom they reach; CREATE makes a role one of those whose objects
    `owners: auto` means; what is taken with CASCADE is somebody else's too; and all share the room in an ACL.
    """
    if found.memberships or any(found.advice.values()):
        return True
    if any(op.cascade or op.mask & BITS["CREATE"] for op in found.operations):
        return True
    return any(one.reason is Reason.TOO_MANY_GRANTEES for problems in found.problems.values() for one in problems)


def _renamed(roles: frozenset[str], records: Iterable[Ledger], snapshot: Snapshot) -> Iterator[str]:
    """Roles that are called otherwise than on record, where one of the two names is one of these."""
    names = snapshot.role_names()
    for ledger in records:
        for name, oid in recorded_roles(ledger):
            now = names.get(oid, name)
            if now != name and not roles.isdisjoint({name, now}):
                yield name
