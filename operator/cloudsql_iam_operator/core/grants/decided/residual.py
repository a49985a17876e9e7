"""What a role can still do after a privilege was taken from it: through PUBLIC, or through roles it is a member of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.api.object_kinds import SHAPES
from cloudsql_iam_operator.core.grants.decided.cells import parts
from cloudsql_iam_operator.core.grants.decided.wishes import Standing, Wish
from cloudsql_iam_operator.core.grants.desired.privileges import BITS, PLAIN, names_of
from cloudsql_iam_operator.core.grants.observed.snapshot import PUBLIC, AclGroup, Snapshot, Whereabouts


@dataclass(frozen=True, slots=True, order=True)
class Residual:
    """A privilege that stays in force: `through` is PUBLIC, ownership, or a role; `objects` is on how many.

    `elsewhere`: the role has it directly, outside the places that are given up; `through` is such an object. It may
    have been moved there: PostgreSQL cannot tell.
    """

    role: str
    privilege: str
    through: str
    objects: int
    elsewhere: bool = False


def residuals(wishes: Iterable[Wish], snapshot: Snapshot) -> Mapping[Key, tuple[Residual, ...]]:
    """For each key what stays in force of that which it takes back."""
    present_ones = [wish for wish in wishes if not wish.future and not wish.columns]
    if not any(wish.standing in _GONE for wish in present_ones):
        return {}
    counted = _Counted(snapshot)
    for group in snapshot.groups:
        here = [
            wish
            for wish in present_ones
            if wish.schema == group.schema and group.kind in wish.kinds and wish.concerns(group)
        ]
        if not group.future and any(wish.standing in _GONE for wish in here):
            for members, present in parts(group, here):
                counted.count(group, len(members), present)
    for place in snapshot.elsewhere:
        counted.note(place, [wish for wish in present_ones if place.kind in wish.kinds and place.role in wish.roles])
    return counted.found()


_GONE = frozenset({Standing.RECORDED, Standing.OWNED})


def _declared(wishes: Iterable[Wish], role: int) -> int:
    """What somebody wants the role to have."""
    mask = 0
    for wish in wishes:
        if wish.standing not in _GONE and role in wish.roles:
            mask |= wish.mask
    return mask


def _of_kind(group: AclGroup) -> int:
    """The privileges that the group's kind has."""
    return sum(BITS[name] for name in SHAPES[group.kind].privileges)


class _Counted:
    def __init__(self, snapshot: Snapshot) -> None:
        self._names = snapshot.role_names()
        self._parents = snapshot.parents()
        self._schemas = {oid: name for name, oid in snapshot.schemas.items()}
        self._objects: dict[tuple[Key, int, str, str], int] = {}
        self._elsewhere: dict[tuple[Key, int, str], list[Whereabouts]] = {}

    def count(self, group: AclGroup, members: int, wishes: Sequence[Wish]) -> None:
        gone: dict[tuple[Key, int], int] = {}
        for wish in wishes:
            for role in wish.roles - {PUBLIC} if wish.standing in _GONE else ():
                gone[wish.key, role] = gone.get((wish.key, role), 0) | wish.mask
        for (key, role), mask in gone.items():
            lost = mask & PLAIN & ~_declared(wishes, role) & _of_kind(group)
            for through, left in self._ways(group, role):
                for privilege in names_of(left & lost):
                    place = (key, role, privilege, through)
                    self._objects[place] = self._objects.get(place, 0) + members

    def note(self, place: Whereabouts, wishes: Sequence[Wish]) -> None:
        """A privilege at a place; the wishes are about its kind and role, in whatever schema."""
        here = [wish for wish in wishes if wish.schema == place.schema]
        if place.mask & _declared(here, place.role):
            return
        whole = [wish for wish in wishes if wish.standing is Standing.RECORDED and wish.objects is None]
        given_up = {wish.key for wish in whole if wish.mask & place.mask}
        for key in given_up - {wish.key for wish in whole if wish.schema == place.schema}:
            for privilege in names_of(place.mask):
                self._elsewhere.setdefault((key, place.role, privilege), []).append(place)

    def found(self) -> Mapping[Key, tuple[Residual, ...]]:
        by_key: dict[Key, list[Residual]] = {}
        for (key, role, privilege, through), objects in self._objects.items():
            by_key.setdefault(key, []).append(Residual(self._names[role], privilege, through, objects))
        for (key, role, privilege), places in self._elsewhere.items():
            objects = sum(place.objects for place in places)
            name = min(f"{self._schemas[place.schema]}.{place.name}" for place in places)
            by_key.setdefault(key, []).append(Residual(self._names[role], privilege, name, objects, elsewhere=True))
        return {key: tuple(sorted(found)) for key, found in by_key.items()}

    def _ways(self, group: AclGroup, role: int) -> list[tuple[str, int]]:
        above = self._above(role)
        if group.owner == role or group.owner in above:
            return [("ownership", PLAIN)]
        ways = [(self._names[parent], group.held(parent)) for parent in above if parent in self._names]
        return [("PUBLIC", group.held(PUBLIC)), *ways]

    def _above(self, role: int) -> set[int]:
        seen: set[int] = set()
        trail = [role]
        while trail:
            new = self._parents.get(trail.pop(), set()) - seen
            seen |= new
            trail += new
        return seen
