"""Which roles to grant to which and which to take back; options are those of PostgreSQL 16 and newer."""

from collections.abc import Iterable
from dataclasses import dataclass

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.changes.operations import MembershipOperation
from cloudsql_iam_operator.core.grants.decided.resolution import Problem, Resolver, Standing
from cloudsql_iam_operator.core.grants.desired.entries import RoleEntry
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.denials import Part
from cloudsql_iam_operator.core.grants.observed.snapshot import RoleGrant, Snapshot
from cloudsql_iam_operator.core.reasons import Reason

OPTIONS_SINCE = 16
"""The first major version whose memberships have INHERIT and SET, and one row for each grantor."""

CLUSTER_MAKER = 10
"""The oid of the superuser that initdb makes."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Somebody's word about `member` being in `role`; options None are whatever there is."""

    key: Key
    standing: Standing
    role: int
    member: int
    admin: bool | None
    inherit: bool | None
    set: bool | None


@dataclass(frozen=True, slots=True)
class MembershipDifference:
    """Operations, problems by key, and how many memberships each key declares and how many of them stand."""

    operations: tuple[MembershipOperation, ...]
    problems: tuple[tuple[Key, Problem], ...]
    desired: dict[Key, int]
    held: dict[Key, int]


def resolved(
    key: Key,
    standing: Standing,
    entries: Iterable[RoleEntry],
    resolver: Resolver,
    part: Part,
) -> tuple[tuple[Membership, ...], tuple[Problem, ...]]:
    """Memberships that the entries of a key come to, and what cannot be found or allowed. `part` is the roles'."""
    found: list[Membership] = []
    problems: list[Problem] = []
    for entry in entries:
        if resolver.version < OPTIONS_SINCE and (entry.inherit is not None or entry.set is not None):
            text = (
                f"membership in {entry.role!r}: inherit and set exist from PostgreSQL {OPTIONS_SINCE}, "
                f"this is {resolver.version}: take them out"
            )
            problems.append(Problem(Reason.INVALID_SPEC, text))
            continue
        roles = resolver.grantees(standing, (entry.role,), problems, part)
        members = resolver.grantees(standing, entry.members, problems)
        found += [
            Membership(key, standing, role, member, entry.admin, entry.inherit, entry.set)
            for role in roles
            for member in members
        ]
    return tuple(found), tuple(problems)


def difference(
    wishes: Iterable[Membership], snapshot: Snapshot, reach: Reach, sweeping: frozenset[Key] = frozenset()
) -> MembershipDifference:
    """What to do about the memberships; `sweeping` keys have others' grants of the memberships they declare replaced.

    Memberships that nobody declares in this database stay: they hold in all databases, where others may declare them.
    """
    by_pair: dict[tuple[int, int], list[Membership]] = {}
    for wish in wishes:
        by_pair.setdefault((wish.role, wish.member), []).append(wish)
    existing: dict[tuple[int, int], list[RoleGrant]] = {}
    for grant in snapshot.role_grants:
        existing.setdefault((grant.role, grant.member), []).append(grant)
    made = _Made(snapshot, reach, sweeping)
    for pair, said in sorted(by_pair.items()):
        made.decide(pair, said, existing.get(pair, []))
    return MembershipDifference(tuple(made.operations), tuple(made.problems), made.desired, made.held)


class _Made:
    def __init__(self, snapshot: Snapshot, reach: Reach, sweeping: frozenset[Key]) -> None:
        self._edges = Edges(snapshot, reach)
        self._sweeping = sweeping
        self._parents = snapshot.parents()
        self._names = snapshot.role_names()
        self.operations: list[MembershipOperation] = []
        self.problems: list[tuple[Key, Problem]] = []
        self.desired: dict[Key, int] = {}
        self.held: dict[Key, int] = {}

    def decide(self, pair: tuple[int, int], said: list[Membership], grants: list[RoleGrant]) -> None:
        wanted = [wish for wish in said if wish.standing is Standing.WANTED]
        keys = frozenset(wish.key for wish in wanted)
        for key in keys:
            self.desired[key] = self.desired.get(key, 0) + 1
        wordings = {(wish.admin, wish.inherit, wish.set) for wish in wanted}
        if len(wordings) > 1:
            self._refuse(keys, Reason.CONFLICTING_GRANT, pair, "is declared with different options: make them agree")
        elif wanted and any(_satisfies(grant, wanted[0]) for grant in grants):
            for key in keys:
                self.held[key] = self.held.get(key, 0) + 1
        elif wanted and self._reaches(pair[0], pair[1]):
            self._refuse(keys, Reason.ROLE_NOT_ALLOWED, pair, "would be a loop: the role is a member of the grantee")
        elif wanted:
            self._give(pair, wanted[0], keys, grants)
        elif not any(wish.standing is Standing.CLAIMED for wish in said) and any(map(self._edges.own, grants)):
            self.operations.append(MembershipOperation(False, *pair, frozenset(wish.key for wish in said)))

    def _give(self, pair: tuple[int, int], wish: Membership, keys: frozenset[Key], grants: list[RoleGrant]) -> None:
        """Grant it, unless somebody else did with other options: theirs would go on holding beside it."""
        replaced: list[MembershipOperation] = []
        own = [grant for grant in grants if self._edges.own(grant)]
        for grant in (grant for grant in grants if grant not in own):
            grantor = self._names.get(grant.grantor, str(grant.grantor))
            actor = self._edges.actor(grant)
            if not keys & self._sweeping:
                why = f"was granted by {grantor!r} with other options: take that back, or make the options agree"
                return self._refuse(keys, Reason.CONFLICTING_GRANT, pair, why)
            if actor is None:
                why = f"was granted by {grantor!r}, whom the operator may not act as: take it back as that role"
                return self._refuse(keys, Reason.REVOKE_BLOCKED, pair, why)
            replaced.append(MembershipOperation(False, *pair, keys & self._sweeping, actor=actor))
        if own and (wish.admin, wish.inherit, wish.set) == (False, None, None):
            # Before PostgreSQL 16 no GRANT takes the option back.
            self.operations.append(MembershipOperation(False, *pair, keys, admin=True))
        else:
            self.operations.append(MembershipOperation(True, *pair, keys, wish.admin, wish.inherit, wish.set))
        self.operations += replaced
        return None

    def _reaches(self, role: int, member: int) -> bool:
        seen, trail = {role}, [role]
        while trail:
            new = self._parents.get(trail.pop(), set()) - seen
            seen |= new
            trail += new
        return member in seen

    def _refuse(self, keys: Iterable[Key], reason: Reason, pair: tuple[int, int], why: str) -> None:
        text = f"membership of {self._names[pair[1]]!r} in {self._names[pair[0]]!r} {why}"
        self.problems += [(key, Problem(reason, text)) for key in keys]


class Edges:
    """Whose grants of roles are the operator's own; before PostgreSQL 16 a membership is one, whoever granted it."""

    def __init__(self, snapshot: Snapshot, reach: Reach) -> None:
        server = snapshot.server
        self._reach = reach
        self._single = server.version < OPTIONS_SINCE
        # A superuser's grants are recorded as those of the role with which the cluster was made.
        superuser = any(role.superuser for role in snapshot.roles.values() if role.oid == server.current_role)
        self._also = CLUSTER_MAKER if superuser else server.current_role

    def own(self, grant: RoleGrant) -> bool:
        """Whether the operator grants and takes back in this grantor's name as it is."""
        return self._single or grant.grantor == self._also or self._reach.actor(grant.grantor) == ""

    def actor(self, grant: RoleGrant) -> str | None:
        """The role to act as in order to take a grant back; None when it cannot be."""
        return self._reach.actor(grant.grantor)


def _satisfies(grant: RoleGrant, wish: Membership) -> bool:
    return wish.admin in (None, grant.admin) and wish.inherit in (None, grant.inherit) and wish.set in (None, grant.set)
