"""The plan for an instance's database users: which to create, to give roles, to delete, and who may ask for it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from cloudsql_iam_operator.api.user import AdoptionPolicy
from cloudsql_iam_operator.core.errors import Failure, NotYet, Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.claims import (
    NotOurs,
    UserClaim,
    accounts_of,
    collision,
    folded,
    require_first,
    require_own_name,
    rival_of,
    winners_of,
)
from cloudsql_iam_operator.core.users.principals import GROUP_DERIVED, UserType, is_cut, whole_name

K = TypeVar("K")

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, order=True)
class DatabaseUser:
    """A user as the Admin API lists it. `inactive` is a group that Cloud Identity no longer has."""

    name: str
    type: UserType
    inactive: bool = False


class Ownership(StrEnum):
    """How a database user came to be ours."""

    NONE = "None"
    ADOPTED = "Adopted"
    CREATED = "Created"


@dataclass(frozen=True, slots=True)
class UserWant:
    """What one object wants of one database user.

    `granted` are database roles that are recorded as given; `absent` asks for the user's removal, which an adopted
    user only follows with `delete_adopted`.
    """

    claim: UserClaim
    type: UserType
    roles: frozenset[str] = frozenset()
    granted: frozenset[str] = frozenset()
    adoption: AdoptionPolicy = AdoptionPolicy.NEVER
    may_adopt: bool = False
    ownership: Ownership = Ownership.NONE
    absent: bool = False
    delete_adopted: bool = False


@dataclass(frozen=True, slots=True)
class CreateUser:
    """Make a database user, with its database roles.

    `asked` is what to ask Cloud SQL for where it cuts the name itself, "" where it does not: by the cut name it would
    find no account.
    """

    name: str
    type: UserType
    roles: frozenset[str]
    asked: str = ""

    @property
    def whole(self) -> str:
        """The name to ask for."""
        return self.asked or self.name

    def __str__(self) -> str:
        return f"create user {self.name} ({self.type})" + _with_roles(self.roles)


@dataclass(frozen=True, slots=True)
class GrantRoles:
    """Add database roles to a user that exists; none is taken away."""

    name: str
    type: UserType
    roles: frozenset[str]

    def __str__(self) -> str:
        return f"grant {', '.join(sorted(self.roles))} to {self.name}"


@dataclass(frozen=True, slots=True)
class LeaveRoles:
    """Take all database roles from a user but these, which must be all that it is to keep, whoever gave them."""

    name: str
    type: UserType
    roles: frozenset[str]

    def __str__(self) -> str:
        return f"leave {', '.join(sorted(self.roles)) or 'no role'} to {self.name}"


@dataclass(frozen=True, slots=True)
class DeleteUser:
    """Delete a database user."""

    name: str
    type: UserType

    def __str__(self) -> str:
        return f"delete user {self.name}"


Change = CreateUser | GrantRoles | LeaveRoles | DeleteUser


@dataclass(frozen=True, slots=True)
class UserStanding:
    """How a wanted user stands once its change, if any, is made."""

    present: bool
    ownership: Ownership
    granted: frozenset[str]


@dataclass(frozen=True, slots=True)
class UsersPlan(Generic[K]):
    """A verdict for every key: a refusal, or a standing that holds after the key's change."""

    changes: Mapping[K, Change] = field(default_factory=dict)
    refusals: Mapping[K, Failure] = field(default_factory=dict)
    standing: Mapping[K, UserStanding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a plan stands on: the users that exist, what is known of those made here, claims of objects not yet heard.

    `ours` and `granted`, the database roles given here, are by the claims' whole names; `recorded` is what objects
    record, also while they end, by whole name and member.
    """

    observed: Sequence[DatabaseUser]
    ours: Mapping[str, Ownership] = field(default_factory=dict)
    granted: Mapping[str, frozenset[str]] = field(default_factory=dict)
    claims: Sequence[UserClaim] = ()
    recorded: Mapping[str, Mapping[str, Ownership]] = field(default_factory=dict)


def plan_users(wants: Mapping[K, UserWant], ground: Ground) -> UsersPlan[K]:
    """What to do for each key so that every wanted user is there and every unwanted one of ours is gone."""
    observed = {folded(user.name): user for user in ground.observed}
    claims = [*(want.claim for want in wants.values() if not want.absent), *ground.claims]
    known, holders = _known(wants.values(), ground), _holders(wants.values(), ground)
    winners, accounts = winners_of(claims, holders), accounts_of(claims)
    changes: dict[K, Change] = {}
    refusals: dict[K, Failure] = {}
    standing: dict[K, UserStanding] = {}
    for key, want in wants.items():
        name = want.claim.whole
        granted = _all_of(want.granted, ground.granted.get(name, _NONE))
        found = observed.get(folded(want.claim.username))
        rival = rival_of(want.claim, accounts)
        others = frozenset(holders.get(name, ())) - {want.claim.member}
        subject = _Subject(want, found, known.get(name, Ownership.NONE), winners.get(name), rival, granted, others)
        try:
            change, standing[key] = _leave(subject) if want.absent else _keep(subject)
        except Failure as failure:
            refusals[key] = failure
            continue
        if change is not None:
            changes[key] = change
    return UsersPlan(changes, refusals, standing)


@dataclass(frozen=True, slots=True)
class _Subject:
    want: UserWant
    found: DatabaseUser | None
    ownership: Ownership
    winner: UserClaim | None
    rival: UserClaim | None
    granted: frozenset[str]
    others: frozenset[str]
    """Other principals that have the user."""

    @property
    def has_heir(self) -> bool:
        """Whether the user is for the winner once this object is gone: one of its principal, or that has it already."""
        winner = self.winner
        return winner is not None and (winner.member == self.want.claim.member or winner.member in self.others)


def _keep(subject: _Subject) -> tuple[Change | None, UserStanding]:
    want, found = subject.want, subject.found
    name = want.claim.username
    require_own_name(want.claim, subject.rival)
    require_first(want.claim, subject.winner)
    if found is None:
        if want.adoption is AdoptionPolicy.REQUIRED and subject.ownership is Ownership.NONE:
            text = f"database user {name} does not exist, and adoptionPolicy Required never creates one"
            raise NotYet(Reason.ADOPTION_TARGET_MISSING, text)
        asked = whole_name(want.claim.member) if is_cut(want.claim.member) else ""
        return CreateUser(name, want.type, want.roles, asked), UserStanding(True, Ownership.CREATED, want.roles)
    if subject.others and want.ownership is Ownership.NONE:
        raise collision(want.claim, "which is another principal's until that is gone")
    _require_type(want, found)
    missing = want.roles - subject.granted
    standing = UserStanding(True, _taken(subject), _all_of(subject.granted, want.roles))
    return (GrantRoles(found.name, found.type, missing) if missing else None), standing


def _leave(subject: _Subject) -> tuple[Change | None, UserStanding]:
    want, found = subject.want, subject.found
    gone = UserStanding(False, Ownership.NONE, frozenset())
    if found is None or found.type is not want.type:
        return None, gone
    retained = UserStanding(True, Ownership.NONE, want.granted)
    if subject.has_heir or subject.ownership is Ownership.NONE:
        return None, retained
    if subject.ownership is Ownership.ADOPTED and not want.delete_adopted:
        return None, retained
    return DeleteUser(found.name, found.type), gone


def _require_type(want: UserWant, found: DatabaseUser) -> None:
    if found.type is want.type:
        if found.inactive:
            text = f"database group {found.name} is INACTIVE, for its Google group was deleted"
            raise Refused(Reason.PRINCIPAL_NOT_FOUND, f"{text}: delete the database user so that it can be made anew")
        return
    if found.type in GROUP_DERIVED:
        text = f"database user {found.name} exists as {found.type}, made when a member of a database group logged in"
        remedy = "declare the group instead, or take the member out of it"
    else:
        text, remedy = f"database user {found.name} exists as {found.type}, not {want.type}", "remove or rename it"
    raise NotOurs(Reason.USER_TYPE_MISMATCH, f"{text}: {remedy}")


def _taken(subject: _Subject) -> Ownership:
    want = subject.want
    if Ownership.CREATED in (subject.ownership, want.ownership):
        return Ownership.CREATED
    if want.ownership is Ownership.ADOPTED:  # another's adoption was consent to that other's alone
        return Ownership.ADOPTED
    if is_cut(want.claim.member):
        remedy = f"its name is cut, so it may be another account's than {want.claim.member}: delete it to have it made"
    elif want.adoption is AdoptionPolicy.NEVER:
        remedy = "delete it, or set adoptionPolicy to IfExists if the instance's access rule allows adoption"
    elif not want.may_adopt:
        remedy = "delete it, or ask the platform team to set allowAdoption on the access rule"
    else:
        return Ownership.ADOPTED
    text = f"database user {want.claim.username} exists and was not made for this object"
    raise NotOurs(Reason.EXTERNAL_RESOURCE_EXISTS, f"{text}: {remedy}")


def _known(wants: Iterable[UserWant], ground: Ground) -> dict[str, Ownership]:
    """By whole name how users came to be ours, as this process or any object knows: one that was made stays made."""
    known = dict(ground.ours)
    recorded = ((name, one) for name, members in ground.recorded.items() for one in members.values())
    for name, ownership in (*recorded, *((want.claim.whole, want.ownership) for want in wants)):
        if ownership is not Ownership.NONE and known.get(name) is not Ownership.CREATED:
            known[name] = ownership
    return known


def _holders(wants: Iterable[UserWant], ground: Ground) -> dict[str, Collection[str]]:
    """By whole name the members for which the user is on record."""
    holders: dict[str, Collection[str]] = dict(ground.recorded)
    for want in wants:
        name, member = want.claim.whole, want.claim.member
        if want.ownership is not Ownership.NONE and member not in holders.get(name, ()):
            holders[name] = {*holders.get(name, ()), member}
    return holders


def _all_of(roles: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    """Both, and no new set where one has nothing: it is kept for each user, and an empty one takes 216 bytes."""
    return roles | others if roles and others else roles or others


def _with_roles(roles: frozenset[str]) -> str:
    return f" with {', '.join(sorted(roles))}" if roles else ""
