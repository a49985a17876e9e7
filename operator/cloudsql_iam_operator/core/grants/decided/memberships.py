"""Which roles to grant to which and which to take back; options are those of PostgreSQL 16 and newer."""

from collections.abc import Iterable
from dataclasses import dataclass

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.changes.operations import MembershipOperation
from cloudsql_iam_operator.core.grants.decided.resolution import Problem, Resolver
from cloudsql_iam_operator.core.grants.decided.wishes import Standing
from cloudsql_iam_operator.core.grants.desired.entries import RoleEntry
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.denials import Part
from cloudsql_iam_operator.core.grants.observed.logins import Logins
from cloudsql_iam_operator.core.grants.observed.snapshot import RoleGrant, Snapshot
from cloudsql_iam_operator.core.reasons import Reason

OPTIONS_SINCE = 16
"""The first major version whose memberships have INHERIT and SET, and one row for each grantor."""

CLUSTER_MAKER = 10
"""The oid of the superuser that initdb makes."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options as declared, None where left out; `inherits` is the member's own attribute.

    One that is left out is the server's default: SET, and INHERIT as the member's attribute says. ADMIN that is left
    out agrees with either.
    """

    admin: bool | None
    inherit: bool | None
    set: bool | None
    inherits: bool = True

    def held(self, grants: Iterable[RoleGrant]) -> bool:
        """Whether grants of the role by whomever, which add up, come to this."""
        every = list(grants)
        admin, inherit, set_ = (any(getattr(one, name) for one in every) for name in ("admin", "inherit", "set"))
        return (
            bool(every)
            and self.admin in (None, admin)
            and (inherit or not self.inherits if self.inherit is None else inherit is self.inherit)
            and (set_ if self.set is None else set_ is self.set)
        )

    def exceeded_by(self, grant: RoleGrant) -> bool:
        """Whether a grant gives what is declared not to be given."""
        pairs = ((self.admin, grant.admin), (self.inherit, grant.inherit), (self.set, grant.set))
        return any(asked is False and given for asked, given in pairs)

    def beside(self, own: Iterable[RoleGrant]) -> "Options":
        """What to say in a GRANT: one that says nothing leaves options as an own grant before it had them."""
        inherit, set_ = self.inherit, self.set
        for grant in own:
            inherit = True if inherit is None and self.inherits and not grant.inherit else inherit
            set_ = True if set_ is None and not grant.set else set_
        return Options(self.admin, inherit, set_, self.inherits)


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
        self._logins = Logins(snapshot)
        self._sweeping = sweeping
        self._parents = snapshot.parents()
        self._names = snapshot.role_names()
        self._inherits = {role.oid: role.inherits for role in snapshot.roles.values()}
        self.operations: list[MembershipOperation] = []
        self.problems: list[tuple[Key, Problem]] = []
        self.desired: dict[Key, int] = {}
        self.held: dict[Key, int] = {}

    def decide(self, pair: tuple[int, int], said: list[Membership], grants: list[RoleGrant]) -> None:
        wanted = [wish for wish in said if wish.standing is Standing.WANTED]
        keys = frozenset(wish.key for wish in wanted)
        for key in keys:
            self.desired[key] = self.desired.get(key, 0) + 1
        asked = agreed((Options(w.admin, w.inherit, w.set) for w in wanted), inherits=self._inherits.get(pair[1], True))
        if wanted and asked is None:
            self._refuse(keys, Reason.CONFLICTING_GRANT, pair, "is declared with different options: make them agree")
        elif asked is not None and wanted and asked.held(grants):
            for key in keys:
                self.held[key] = self.held.get(key, 0) + 1
        elif asked is not None and wanted and self._reaches(pair[0], pair[1]):
            self._refuse(keys, Reason.ROLE_NOT_ALLOWED, pair, "would be a loop: the role is a member of the grantee")
        elif wanted and (stopped := self._logins.stopped_by(*pair)):
            why = f"would stop the password login of {', '.join(map(repr, stopped))}: the role logs in by IAM"
            self._refuse(keys, Reason.ROLE_NOT_ALLOWED, pair, f"{why}; grant both the same group role instead")
        elif asked is not None and wanted:
            self._give(pair, asked, keys, grants)
        elif not any(wish.standing is Standing.CLAIMED for wish in said):
            self._take(pair, frozenset(wish.key for wish in said), filter(self._edges.own, grants))

    def _take(self, pair: tuple[int, int], keys: frozenset[Key], grants: Iterable[RoleGrant]) -> None:
        """Take back what the operator granted; what another grantor gave beside it stays."""
        for grant in grants:
            way = self._edges.way(grant)
            if way is None:
                grantor = self._names.get(grant.grantor, str(grant.grantor))
                why = f"was granted by {grantor!r}, whom the operator may not act as: take it back as that role"
                self._refuse(keys, Reason.REVOKE_BLOCKED, pair, why)
            else:
                self.operations.append(MembershipOperation(False, *pair, keys, actor=way[0], grantor=way[1]))

    def _give(self, pair: tuple[int, int], asked: Options, keys: frozenset[Key], grants: list[RoleGrant]) -> None:
        """Grant it, unless somebody else gave more than is asked for: theirs would go on holding beside it."""
        replaced: list[MembershipOperation] = []
        own = [grant for grant in grants if self._edges.own(grant)]
        for grant in (grant for grant in grants if grant not in own and asked.exceeded_by(grant)):
            grantor = self._names.get(grant.grantor, str(grant.grantor))
            way = self._edges.way(grant)
            if not keys & self._sweeping:
                why = f"was granted by {grantor!r} with other options: take that back, or make the options agree"
                return self._refuse(keys, Reason.CONFLICTING_GRANT, pair, why)
            if way is None:
                why = f"was granted by {grantor!r}, whom the operator may not act as: take it back as that role"
                return self._refuse(keys, Reason.REVOKE_BLOCKED, pair, why)
            replaced.append(MembershipOperation(False, *pair, keys & self._sweeping, actor=way[0], grantor=way[1]))
        said = asked.beside(own)
        if own and (said.admin, said.inherit, said.set) == (False, None, None):
            # Before PostgreSQL 16 no GRANT takes the option back.
            self.operations.append(MembershipOperation(False, *pair, keys, admin=True))
        else:
            self.operations.append(MembershipOperation(True, *pair, keys, said.admin, said.inherit, said.set))
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
        self._current = snapshot.server.current_role
        self._reach = reach
        self._single = snapshot.server.version < OPTIONS_SINCE
        self._superuser = any(role.superuser for role in snapshot.roles.values() if role.oid == self._current)
        self._admins: dict[int, set[int]] = {}
        for grant in snapshot.role_grants:
            if grant.admin:
                self._admins.setdefault(grant.role, set()).add(grant.member)

    def own(self, grant: RoleGrant) -> bool:
        """Whether PostgreSQL records it so when the operator grants the role.

        It takes the operator itself when that has the ADMIN option, else a role with it whose rights the operator has;
        for a superuser it takes the role with which the cluster was made.
        """
        if self._single or grant.grantor == self._current:
            return True
        if self._superuser:
            return grant.grantor == CLUSTER_MAKER
        admins = self._admins.get(grant.role, set())
        return self._current not in admins and grant.grantor in admins and self._reach.actor(grant.grantor) == ""

    def way(self, grant: RoleGrant) -> tuple[str, str] | None:
        """How to take it back: whom to act as, and whom to name as who granted it; None when it cannot be."""
        if self._single or (self._superuser and grant.grantor == CLUSTER_MAKER):
            return "", ""
        return self._reach.member(grant.grantor)


def agreed(declared: Iterable[Options], *, inherits: bool) -> Options | None:
    """What several declarations of one membership come to; None when they contradict each other."""
    every = set(declared)
    admins = {one.admin for one in every} - {None}
    inherit = _one((one.inherit for one in every), inherits)
    set_ = _one((one.set for one in every), default=True)
    if len(admins) > 1 or len(inherit) > 1 or len(set_) > 1:
        return None
    left_out = [all(getattr(one, name) is None for one in every) for name in ("inherit", "set")]
    return Options(
        admins.pop() if admins else None,
        None if left_out[0] else inherit.pop(),
        None if left_out[1] else set_.pop(),
        inherits,
    )


def _one(said: Iterable[bool | None], default: bool) -> set[bool]:
    return {default if word is None else word for word in said}
