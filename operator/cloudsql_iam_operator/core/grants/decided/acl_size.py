"""How many grantees one relation can have: its rights are kept in one row, which does not grow without end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.cells import parts
from cloudsql_iam_operator.core.grants.decided.wishes import Standing, Wish
from cloudsql_iam_operator.core.grants.observed.snapshot import AclGroup

ADVISED = 500
"""From how many grantees on a role for all of them is advised."""

LIMIT_ALIKE, LIMIT_UNLIKE = 2_400, 1_200
"""Entries that a row takes when most have equal rights, and when hardly two have: it is compressed.

Source: PostgreSQL 14-18, error 54000 on pg_class and pg_attribute, which have no TOAST; found by trying.
"""

ALIKE = 4
"""Up to how many different sets of rights the row is as small as with one."""

RESERVE = 100
"""Entries that are left to others: once the row is full nobody can grant on the object, nor on its columns."""

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
    """Objects that would have so many grantees, and the keys that want it; `bound` is how many there may be.

    `refused` are keys for which there is no room, `room` the roles for which there is.
    """

    members: tuple[int, ...]
    grantees: int
    bound: int
    keys: frozenset[Key]
    refused: frozenset[Key] = frozenset()
    room: frozenset[int] = field(default=frozenset(), repr=False)

    @property
    def too_big(self) -> bool:
        """Whether not all of it can be granted."""
        return bool(self.refused)

    @property
    def sentence(self) -> str:
        """What to say about it."""
        what = f"{len(self.members)} object(s) would have {self.grantees} grantees"
        full = f"{self.bound} are the most that PostgreSQL keeps in a row with rights such as these, less a reserve"
        bound = full if self.too_big else f"above {ADVISED} that gets slow"
        return f"{what}, and {bound}: grant to one role, and make them members of it"


def crowds(group: AclGroup, wishes: Sequence[Wish]) -> tuple[Crowd, ...]:
    """Parts of a group that would have more grantees than is advised."""
    wanted = [wish for wish in wishes if wish.standing is Standing.WANTED]
    roles = frozenset[int]().union(*(wish.roles for wish in wanted))
    if group.future or group.kind not in _IN_ONE_ROW or group.entries + len(roles) <= ADVISED:
        return ()
    found = (_crowd(replace(group, members=members), present) for members, present in parts(group, wanted) if present)
    return tuple(crowd for crowd in found if crowd.grantees > ADVISED)


def with_room(
    group: AclGroup, wishes: Sequence[Wish], found: Sequence[Crowd]
) -> Iterator[tuple[AclGroup, Sequence[Wish], Mapping[Key, int]]]:
    """The group in parts, each with as much of the wishes as there is room for, and how much of each key is left out.

    What is counted are roles. Taking rights back needs no room.
    """
    full = [crowd for crowd in found if crowd.too_big]
    crowded = {oid for crowd in full for oid in crowd.members}
    rest = tuple(oid for oid in group.members if oid not in crowded) if crowded else group.members
    yield replace(group, members=rest) if crowded else group, wishes, {}
    for crowd in full:
        part = replace(group, members=crowd.members)
        present = [wish for wish in wishes if wish.covers(crowd.members[0])]
        narrowed = [_narrowed(wish, crowd) for wish in present]
        yield part, narrowed, _left_out(present, crowd)


def _crowd(group: AclGroup, wishes: Sequence[Wish]) -> Crowd:
    """Who gets in: those that are there, then key by key, those with few newcomers first."""
    bound = _bound(group, wishes)
    newcomers: dict[Key, frozenset[int]] = {}
    for wish in wishes:
        new = frozenset(role for role in wish.roles if role not in group.acl)
        newcomers[wish.key] = newcomers.get(wish.key, frozenset()) | new
    room: set[int] = set(group.acl)
    refused: set[Key] = set()
    for key in sorted(newcomers, key=lambda key: (len(newcomers[key]), key)):
        more = len(room) + len(newcomers[key] - room) - len(group.acl)
        if newcomers[key] and group.entries + more > bound:
            refused.add(key)
        else:
            room |= newcomers[key]
    all_of_them = group.entries + len(frozenset[int]().union(*newcomers.values()))
    return Crowd(group.members, all_of_them, bound, frozenset(newcomers), frozenset(refused), frozenset(room))


def _bound(group: AclGroup, wishes: Sequence[Wish]) -> int:
    unseen = group.entries - sum(map(len, group.acl.values()))
    masks = dict.fromkeys(group.acl, 0)
    for wish in wishes:
        for role in wish.roles:
            masks[role] = masks.get(role, 0) | wish.mask
    rights = {(group.acl.get(role, ()), mask) for role, mask in masks.items()}
    return (LIMIT_ALIKE if len(rights) <= ALIKE and unseen <= ADVISED else LIMIT_UNLIKE) - RESERVE


def _narrowed(wish: Wish, crowd: Crowd) -> Wish:
    shut_out = wish.standing is Standing.WANTED and wish.key in crowd.refused
    return replace(wish, roles=wish.roles & crowd.room) if shut_out else wish


def _left_out(wishes: Sequence[Wish], crowd: Crowd) -> Mapping[Key, int]:
    masks: dict[tuple[Key, int], int] = {}
    for wish in wishes:
        if wish.standing is Standing.WANTED and wish.key in crowd.refused:
            for role in wish.roles - crowd.room:
                masks[wish.key, role] = masks.get((wish.key, role), 0) | wish.mask
    left: dict[Key, int] = {}
    for (key, _), mask in masks.items():
        left[key] = left.get(key, 0) + mask.bit_count() * len(crowd.members)
    return left
