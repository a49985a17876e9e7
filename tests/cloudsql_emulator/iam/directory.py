"""Accounts of the emulated Google: users, groups and their members, service accounts. Not what they may do."""

import datetime as dt
import secrets
from dataclasses import dataclass
from typing import Literal

from cloudsql_emulator.clock import Clock
from cloudsql_emulator.iam.members import address_of, canonical
from cloudsql_emulator.iam.spans import Propagation, Spans

AccountKind = Literal["user", "serviceAccount", "group"]


class NoSuchAccount(Exception):
    """Nobody has that address."""

    def __init__(self, member: str) -> None:
        super().__init__(f"{member} does not exist in the directory")
        self.member = member


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody with an address; `uid` tells two holders of one address apart, `project` is a service account's."""

    kind: AccountKind
    email: str
    uid: str
    project: str | None = None

    @property
    def member(self) -> str:
        """How policies name it."""
        return f"{self.kind}:{self.email}"


class Directory:
    """All accounts. Addresses are compared in lower case."""

    def __init__(self, clock: Clock, propagation: Propagation) -> None:
        self._clock = clock
        self._propagation = propagation
        self._accounts: dict[str, Account] = {}
        self._memberships: Spans[tuple[str, str]] = Spans()

    def add(self, kind: AccountKind, email: str, project: str | None = None) -> Account:
        """Create an account; an old holder of the address is not revived."""
        account = Account(kind, email.lower(), _new_uid(), project)
        self._accounts[account.email] = account
        return account

    def find(self, email: str) -> Account | None:
        """The account with an address, or with a service account's unique id; None when there is none."""
        found = self._accounts.get(email.lower())
        return found or next((account for account in self._accounts.values() if account.uid == email), None)

    def service_accounts(self) -> tuple[Account, ...]:
        """Every service account, by address."""
        found = [account for account in self._accounts.values() if account.kind == "serviceAccount"]
        return tuple(sorted(found, key=lambda account: account.email))

    def account(self, member: str) -> Account:
        """The account that a member names.

        Raises:
            NoSuchAccount: there is none, or it is of another kind.
        """
        found = self._accounts.get(address_of(member).lower())
        if found is None or found.member != canonical(member):
            raise NoSuchAccount(member)
        return found

    def delete(self, member: str) -> Account:
        """Remove an account and its memberships.

        Raises:
            NoSuchAccount: there is none.
        """
        account = self.account(member)
        del self._accounts[account.email]
        now = self._clock.now()
        for group, joined in self._memberships.holding(now):
            if account.member in {group, joined}:
                self._memberships.remove((group, joined), now)
        return account

    def join(self, group: str, member: str, *, at_once: bool = False) -> None:
        """Make somebody a member of a group (both as IAM members), effective after propagation.

        Raises:
            NoSuchAccount: one of them does not exist.
        """
        # subjects of workforce pools have no account here: their pool vouches for them
        joining = member if member.startswith("principal:") else self.account(member).member
        key = (self.account(group).member, joining)
        self._memberships.add(key, self._clock.now() if at_once else self._effective())

    def leave(self, group: str, member: str) -> None:
        """Take somebody out of a group, effective after propagation."""
        self._memberships.remove((canonical(group), canonical(member)), self._effective())

    def groups_of(self, member: str) -> frozenset[str]:
        """Every group that somebody is in at this moment, directly or through other groups."""
        memberships = self._memberships.holding(self._clock.now())
        found: set[str] = set()
        fresh = {canonical(member)}
        while fresh:
            fresh = {group for group, joined in memberships if joined in fresh} - found
            found |= fresh
        return frozenset(found)

    def _effective(self) -> dt.datetime:
        return self._clock.now() + dt.timedelta(seconds=self._propagation.memberships)


def _new_uid() -> str:
    return str(10**20 + secrets.randbelow(10**20))
