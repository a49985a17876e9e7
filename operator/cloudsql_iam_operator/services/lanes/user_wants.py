"""What a users lane asks of an instance and of objects, and what these are answered: how it comes about is its own."""

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cloudsql_iam_operator.adapters.google.sqladmin import NewUser
from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.users.claims import UserClaim
from cloudsql_iam_operator.core.users.plan import Change, DatabaseUser, Ownership, UserStanding
from cloudsql_iam_operator.services.lanes.lane import nobody, none
from cloudsql_iam_operator.services.waiting.line import Line
from cloudsql_iam_operator.services.waiting.ranks import Rank

LATEST = 32
"""Changes by which it is judged whether one namespace presses without end."""

REMEMBERED = 1000
"""Namespaces of which it is remembered when they were served."""


class InstanceUsers(Protocol):
    """What reads and writes users; everything blocks."""

    def users(self, connection: ConnectionName) -> tuple[DatabaseUser, ...]:
        """All users of the instance."""
        ...

    def insert_user(self, connection: ConnectionName, user: NewUser) -> None:
        """Make a user, and wait for it."""
        ...

    def grant_roles(self, connection: ConnectionName, name: str, roles: frozenset[str]) -> None:
        """Give database roles to a user, and wait for it."""
        ...

    def leave_roles(self, connection: ConnectionName, name: str, roles: frozenset[str]) -> None:
        """Take all database roles but these from a user, and wait for it."""
        ...

    def delete_user(self, connection: ConnectionName, name: str) -> None:
        """Delete a user, and wait for it."""
        ...


async def _unannounced(keys: Mapping[Key, str]) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class UserNeighbours:
    """What a pass asks and says about objects.

    `claims` are usernames in the status of live objects. `announce` is called, before the first user is made, for
    which objects which usernames are about to be: what it records lets a restarted process know them for its own.
    `tell` is called for objects of which a pass that they did not ask for found something else. `recorded` are users
    that statuses record as ours, through whichever object of the instance, by whole name and member. `coming` is how
    many objects may come.
    """

    claims: Callable[[], Mapping[Key, UserClaim]]
    announce: Callable[[Mapping[Key, str]], Awaitable[None]] = _unannounced
    tell: Callable[[Key], None] = nobody
    recorded: Callable[[], Mapping[str, Mapping[str, Ownership]]] = dict
    coming: Callable[[], int] = none


class Turns:
    """In what order users are changed, from pass to pass: namespaces take turns, the one served longest ago first.

    As in every line what is pressing goes ahead, and is not the end of what is not. A namespace to which half of the
    latest changes went because they were pressing goes ahead of others' new users no more.
    """

    def __init__(self) -> None:
        self._served: dict[str, None] = {}
        self._latest: deque[str] = deque(maxlen=LATEST)

    def of(self, keys: Iterable[Key], rank: Callable[[Key], Rank]) -> list[Key]:
        """The keys in the order to work on them."""
        pressing = Counter(self._latest)
        greedy = {namespace for namespace, count in pressing.items() if namespace and count >= LATEST // 2}
        served = {namespace: number for number, namespace in enumerate(self._served)}
        line: Line[Key] = Line()
        for key in sorted(keys, key=lambda key: (served.get(key.namespace, -1), rank(key), key)):
            line.put(key, key.namespace, max(rank(key), Rank.FIRST) if key.namespace in greedy else rank(key))
        return [found[0] for _ in range(len(line)) if (found := line.take()) is not None]

    def served(self, key: Key, rank: Rank) -> None:
        """A change was made for the key."""
        self._served.pop(key.namespace, None)
        self._served[key.namespace] = None
        if len(self._served) > REMEMBERED:
            del self._served[next(iter(self._served))]
        self._latest.append(key.namespace if rank is Rank.EDIT else "")


@dataclass(frozen=True, slots=True)
class UserAnswer:
    """How an object's user stands, and the change that was made for it in this pass, if any."""

    standing: UserStanding
    change: Change | None
