"""Numbers of privileges per key, and who stood in the way; filled while wishes are compared with what is held."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.cells import Cell, Verdict, parts
from cloudsql_iam_operator.core.grants.decided.resolution import Problem
from cloudsql_iam_operator.core.grants.decided.wishes import Standing, Wish
from cloudsql_iam_operator.core.grants.desired.privileges import count
from cloudsql_iam_operator.core.grants.observed.snapshot import DATABASE_OWNER, AclGroup, Snapshot
from cloudsql_iam_operator.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Observed:
    """Numbers of privileges, counted per object and grantee, as in `status.observed`.

    `extended` are objects of extensions that `*` leaves out.
    """

    desired: int = 0
    held: int = 0
    missing: int = 0
    excess: int = 0
    foreign: int = 0
    unreachable: int = 0
    extended: int = 0


@dataclass(slots=True)
class Tally:
    """The running numbers of one key; `owners` are those the operator may not act as, each with objects of theirs;
    `grantors` likewise, each with the roles that keep what it granted them.
    """  # noqa: D205 - one sentence

    desired: int = 0
    held: int = 0
    foreign: int = 0
    unreachable: int = 0
    extended: int = 0
    owners: dict[int, set[int]] = field(default_factory=dict)
    grantors: dict[int, set[int]] = field(default_factory=dict)

    def observed(self, excess: int) -> Observed:
        """The numbers, with how many privileges are still to be taken back."""
        missing = self.desired - self.held
        return Observed(self.desired, self.held, missing, excess, self.foreign, self.unreachable, self.extended)

    def obstacles(self, snapshot: Snapshot) -> list[Problem]:
        """Those whom the operator may not act as, and what would help."""
        names = snapshot.role_names()
        owners = [
            Problem(Reason.UNREACHABLE_OWNER, f"{len(objects)} object(s) belong to {_out_of_reach(owner, snapshot)}")
            for owner, objects in sorted(self.owners.items())
        ]
        grantors = [
            Problem(
                Reason.REVOKE_BLOCKED,
                f"privileges that role {names.get(grantor, grantor)!r} granted to {_listed(holders, names)} cannot be "
                "revoked: the operator may not act as it, or PostgreSQL takes it for the owner; revoke them as that "
                "role, or make the operator's database user a member of it and name it in the instance's ownerRoles",
            )
            for grantor, holders in sorted(self.grantors.items())
        ]
        return owners + grantors


class Tallies:
    """The tallies of all keys."""

    def __init__(self) -> None:
        self._by_key: dict[Key, Tally] = defaultdict(Tally)

    def of(self, key: Key) -> Tally:
        """The tally of a key; empty when nothing concerned it."""
        return self._by_key[key]

    def counted(self, cell: Cell, said: Verdict, *, reachable: bool) -> None:
        """Count what each key wants of a cell, what of it is held, and what somebody else gave there."""
        size, foreign = cell.size, count(_foreign(cell, said))
        for key, mask in _wanted(cell.wishes).items():
            tally = self.of(key)
            tally.desired += count(mask) * size
            tally.held += count(mask & said.held) * size
            if not reachable:
                tally.unreachable += count(mask & ~said.held) * size
            tally.foreign += foreign * size

    def owning(self, group: AclGroup, wishes: Sequence[Wish]) -> None:
        """Count what the owner, when among the grantees, has by owning."""
        if group.future or not any(group.owner in wish.roles for wish in wishes):
            return
        for members, present in parts(group, wishes):
            for key, mask in _wanted(wish for wish in present if group.owner in wish.roles).items():
                self.of(key).desired += count(mask) * len(members)
                self.of(key).held += count(mask) * len(members)

    def extensions(self, group: AclGroup, wishes: Iterable[Wish]) -> None:
        """Count what `*` leaves out because it belongs to an extension."""
        for key in {wish.key for wish in wishes if wish.standing is Standing.WANTED and not wish.concerns(group)}:
            self.of(key).extended += len(group.members)

    def without_room(self, privileges: Mapping[Key, int]) -> None:
        """Count what is desired and cannot be granted since too many hold something there."""
        for key, number in privileges.items():
            self.of(key).desired += number

    def out_of_reach(self, cell: Cell, keys: Iterable[Key]) -> None:
        """Note an owner as whom nothing can be granted."""
        for key in keys:
            self.of(key).owners.setdefault(cell.group.owner, set()).update(cell.members)

    def blocked(self, cell: Cell, grantor: int, keys: Iterable[Key]) -> None:
        """Note a grantor whose gift cannot be taken back."""
        for key in keys:
            self.of(key).grantors.setdefault(grantor, set()).update(cell.roles)


def _listed(roles: Iterable[int], names: Mapping[int, str]) -> str:
    known = sorted(str(names.get(role, role)) for role in roles)
    return ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "")


def _out_of_reach(owner: int, snapshot: Snapshot) -> str:
    names = snapshot.role_names()
    remedy = "make its database user a member of that role and name it in the instance's ownerRoles"
    if names.get(owner) != DATABASE_OWNER:
        return f"role {names.get(owner, owner)!r}, whom the operator may not act as: {remedy}"
    # Nobody can be made a member of this role; whoever owns the database is.
    person = names.get(snapshot.server.database_owner, str(snapshot.server.database_owner))
    return f"whoever owns the database, which is role {person!r}, whom the operator may not act as: {remedy}"


def _wanted(wishes: Iterable[Wish]) -> dict[Key, int]:
    wanted: dict[Key, int] = {}
    for wish in wishes:
        if wish.standing is Standing.WANTED:
            wanted[wish.key] = wanted.get(wish.key, 0) | wish.mask
    return wanted


def _foreign(cell: Cell, said: Verdict) -> int:
    mask = 0
    for holding in cell.holdings:
        mask |= holding.mask & ~said.kept & ~said.to_take(holding.grantor, cell.group.owner)
    return mask
