"""How roles log in: who is, at any distance, a member of a role that marks IAM users, is let in by IAM only."""

from cloudsql_iam_operator.core.access.provider_roles import MARKERS
from cloudsql_iam_operator.core.grants.observed.snapshot import Snapshot


class Logins:
    """Logins by password and by IAM of one snapshot; memberships count whatever their options."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._names = snapshot.role_names()
        self._logins = frozenset(role.oid for role in snapshot.roles.values() if role.login)
        self._parents = snapshot.parents()
        self._members: dict[int, set[int]] = {}
        for grant in snapshot.role_grants:
            self._members.setdefault(grant.role, set()).add(grant.member)
        self._markers = frozenset(role.oid for name, role in snapshot.roles.items() if name in MARKERS)

    def stopped_by(self, role: int, member: int) -> tuple[str, ...]:
        """Names of the roles that could no more log in by password if `member` became one of `role`; sorted."""
        if not self._markers or self._markers.isdisjoint(_reached(role, self._parents)):
            return ()
        concerned = _reached(member, self._members) & self._logins
        by_password = (one for one in concerned if self._markers.isdisjoint(_reached(one, self._parents)))
        return tuple(sorted(self._names[one] for one in by_password))


def _reached(role: int, edges: dict[int, set[int]]) -> set[int]:
    """The role and all that the edges lead to."""
    seen, trail = {role}, [role]
    while trail:
        new = edges.get(trail.pop(), set()) - seen
        seen |= new
        trail += new
    return seen
