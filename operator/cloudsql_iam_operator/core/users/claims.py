"""Claims that objects lay to usernames: which of several wins, and which accounts would be called the same."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.principals import IDENTIFIER_BYTES, is_cut, whole_name


class NotOurs(Refused):
    """The instance's list of users shows that a database user is somebody else's, which no login may be had of."""


class NameShared(NotOurs):
    """The names of two accounts are equal as far as PostgreSQL keeps them: neither gets the other's database user."""


@dataclass(frozen=True, slots=True)
class UserClaim:
    """Which object lays claim to a username: the oldest object wins, then the lowest uid; one with `ended` comes last.

    `ended`: the access has ended, or no rule admits it any more and it is only retained.
    `member` is the principal as IAM calls it, which tells apart accounts whose cut names are equal. `namespace` is the
    object's, whose readers may see its title. `whole` is the username as it would be if PostgreSQL kept all of it,
    folded: equal for claims of one account.
    """

    username: str
    created: datetime
    uid: str
    title: str
    member: str = ""
    namespace: str = ""
    ended: bool = False
    whole: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole = whole_name(self.member) if is_cut(self.member) else self.username
        object.__setattr__(self, "whole", folded(whole))

    @property
    def rank(self) -> tuple[bool, datetime, str, str]:
        """A key to sort by: the first wins."""
        return self.ended, self.created, self.title, self.uid

    def told_to(self, reader: "UserClaim") -> str:
        """Whose claim it is, in words for those who read the other's status: they see no other namespace's names."""
        if self.namespace != reader.namespace:
            return "a CloudSQLIAMUser of another namespace"
        return f"{self.title} (uid {self.uid})"


def folded(username: str) -> str:
    """A username as it compares: Cloud SQL keeps those of IAM users in lower case."""
    small = username.lower()
    return username if username == small else small  # the same text, not another: it is kept in many places


def accounts_of(claims: Iterable[UserClaim]) -> dict[str, dict[str, UserClaim]]:
    """For each username a claim of every account that would be called so."""
    accounts: dict[str, dict[str, UserClaim]] = {}
    for claim in claims:
        accounts.setdefault(folded(claim.username), {}).setdefault(claim.whole, claim)
    return accounts


def rival_of(claim: UserClaim, accounts: Mapping[str, Mapping[str, UserClaim]]) -> UserClaim | None:
    """A claim of another account that would be called the same; `accounts` are those by username."""
    called = accounts.get(folded(claim.username), {})
    others = [whole for whole in called if whole != claim.whole]
    return called[min(others)] if others else None


def require_own_name(claim: UserClaim, rival: UserClaim | None) -> None:
    """Return when no other account would be called the same.

    Raises:
        NameShared: one would.
    """
    if rival is not None:
        other = f"{rival.member} ({rival.title})" if rival.namespace == claim.namespace else rival.told_to(claim)
        raise NameShared(
            Reason.INVALID_SPEC,
            f"PostgreSQL keeps {IDENTIFIER_BYTES} bytes of a name: {claim.member} and {other} would both be database "
            f"user {claim.username}; use an account with a shorter name for one of the two",
        )


def require_first(claim: UserClaim, winner: UserClaim | None) -> None:
    """Return when no other claim to the name wins.

    Raises:
        NotOurs: one does.
    """
    if winner is not None and winner.uid != claim.uid:
        require_same_account(claim, winner)
        better = "is let in still" if claim.ended and not winner.ended else "is older"
        text = f"database user {claim.username} is declared by {winner.told_to(claim)}, which {better}"
        remedy = "delete one of the two"
        if winner.namespace != claim.namespace:
            remedy = f"the platform team finds it by status.username; {remedy}"
        raise NotOurs(Reason.MANAGED_BY_OTHER, f"{text}: {remedy}")


def require_same_account(claim: UserClaim, winner: UserClaim) -> None:
    """Return when an older claim to the username is of the same principal.

    A person and the subject of a workforce pool can have one name, and so can subjects of two pools: PostgreSQL knows
    the name alone.

    Raises:
        NotOurs: it is of another, and both would be the same database user.
    """
    if claim.member and winner.member and claim.member != winner.member:
        raise collision(claim, f"which {winner.told_to(claim)} has for another principal")


def collision(claim: UserClaim, whose: str) -> NotOurs:
    """That the database user is another principal's; `whose` says so in words."""
    remedy = "PostgreSQL knows the name alone: give one of the two another name, or let it in by a group"
    text = f"{claim.member} would be database user {claim.username}, {whose}; {remedy}"
    return NotOurs(Reason.USERNAME_COLLISION, text)


def winners_of(
    claims: Iterable[UserClaim], holders: Mapping[str, Collection[str]] | None = None
) -> dict[str, UserClaim]:
    """The claim that wins, by whole name: of two principals that of the one that has the user, which `holders` tell."""
    every, held = list(claims), holders or {}
    taken = {claim.whole for claim in every if claim.member in held.get(claim.whole, ())}
    winners: dict[str, UserClaim] = {}
    for claim in every:
        if claim.whole in taken and claim.member not in held[claim.whole]:
            continue
        if claim.whole not in winners or claim.rank < winners[claim.whole].rank:
            winners[claim.whole] = claim
    return winners
