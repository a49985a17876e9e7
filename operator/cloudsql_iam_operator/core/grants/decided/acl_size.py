"""How many grantees one relation can have: its rights are kept in one row, which does not grow without end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.cells import parts
from cloudsql_iam_operator.core.grants.decided.resolution import Standing, Wish
from cloudsql_iam_operator.core.grants.observed.snapshot import AclGroup

ADVISED = 500
"""From how many grantees on a role for all of them is advised."""

LIMIT = 2_500
"""From how many grantees on the row is too big.

Source: PostgreSQL 13-18, error 54000 on pg_class and pg_attribute, which have no TOAST; found by trying.
"""

_IN_ONE_ROW = frozenset(
    {
        ObjectKind.TABLE,
        ObjectKind.VIEW,
        ObjectKind.MATERIALIZED_VIEW,
        ObjectKind.SEQUENCE,
        ObjectKind.COLUMN,
    }
)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Objects that would have so many grantees, and the keys that want it."""

    members: tuple[int, ...]
    grantees: int
    keys: frozenset[Key]

    @property
    def too_big(self) -> bool:
        """Whether PostgreSQL would refuse."""
        return self.grantees > LIMIT

    @property
    def sentence(self) -> str:
        """What to say about it."""
        what = f"{len(self.members)} object(s) would have {self.grantees} grantees"
        bound = f"PostgreSQL takes about {LIMIT}" if self.too_big else f"above {ADVISED} that gets slow"
        return f"{what}, and {bound}: grant to one role, and make them members of it"


def crowds(group: AclGroup, wishes: Sequence[Wish]) -> tuple[Crowd, ...]:
    """Parts of a group that would have more grantees than is advised."""
    wanted = [wish for wish in wishes if wish.standing is Standing.WANTED]
    if group.future or group.kind not in _IN_ONE_ROW or len(_roles(group, wanted)) <= ADVISED:
        return ()
    return tuple(
        Crowd(members, len(_roles(group, present)), frozenset(wish.key for wish in present))
        for members, present in parts(group, wanted)
        if len(_roles(group, present)) > ADVISED and present
    )


def thinned(group: AclGroup, found: Iterable[Crowd]) -> AclGroup:
    """The group without what would get too big."""
    left_out = {oid for crowd in found if crowd.too_big for oid in crowd.members}
    return replace(group, members=tuple(oid for oid in group.members if oid not in left_out)) if left_out else group


def _roles(group: AclGroup, wishes: Iterable[Wish]) -> frozenset[int]:
    return frozenset(group.acl).union(*(wish.roles for wish in wishes))
