"""Who waits, and who is next: by rank, and within a rank by turns of the places that they come from."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cloudsql_iam_operator.services.waiting.ranks import Rank

T = TypeVar("T", bound=Hashable)

LOWEST_EVERY = 8
"""One in so many goes to the lowest rank that waits, so that none waits for ever behind the others."""


class Line(Generic[T]):
    """Waiting items, each once. Belongs to one event loop.

    Of one place the first that came is the next; places of one rank take turns, however many wait from each.
    """

    def __init__(self) -> None:
        self._ranks: dict[Rank, OrderedDict[str, OrderedDict[T, None]]] = {rank: OrderedDict() for rank in Rank}
        self._where: dict[T, tuple[Rank, str]] = {}
        self._counts: Counter[Rank] = Counter()
        self._taken = 0

    def put(self, item: T, place: str, rank: Rank) -> None:
        """Let it wait; one that waits already is moved up when this rank is more pressing."""
        if item in self._where:
            if self._where[item][0] <= rank:
                return
            self.drop(item)
        self._where[item] = rank, place
        self._counts[rank] += 1
        self._ranks[rank].setdefault(place, OrderedDict())[item] = None

    def drop(self, item: T) -> None:
        """Let it wait no more."""
        found = self._where.pop(item, None)
        if found is None:
            return
        rank, place = found
        self._counts[rank] -= 1
        waiting = self._ranks[rank][place]
        del waiting[item]
        if not waiting:
            del self._ranks[rank][place]

    def take(self, admits: Callable[[str], bool] = lambda place: True) -> tuple[T, Rank] | None:
        """Who is next of the places that are admitted, and their rank; None when nobody is."""
        ranks = list(Rank)
        if (self._taken + 1) % LOWEST_EVERY == 0:
            ranks.reverse()
        for rank in ranks:
            place = next((place for place in self._ranks[rank] if admits(place)), None)
            if place is not None:
                self._taken += 1
                return self._first(rank, place), rank
        return None

    def count(self, rank: Rank) -> int:
        """How many of this rank wait."""
        return self._counts[rank]

    def __contains__(self, item: T) -> bool:
        """Whether it waits."""
        return item in self._where

    def __len__(self) -> int:
        """How many wait."""
        return len(self._where)

    def _first(self, rank: Rank, place: str) -> T:
        self._ranks[rank].move_to_end(place)
        item = next(iter(self._ranks[rank][place]))
        self.drop(item)
        return item


class Room:
    """Who is in: at most `size` in all, and at most `share` of one place.

    Where a place has its share, it also leaves more free than it has: many that are large leave room for a small one.
    """

    def __init__(self, size: int, share: int) -> None:
        self._size = size
        self._share = share
        self._in: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        """Whether nobody else may come in."""
        return self._in.total() >= self._size

    def admits(self, place: str) -> bool:
        """Whether one more of this place may come in."""
        inside, free = self._in[place], self._size - self._in.total()
        return free > (inside if self._share < self._size else 0) and inside < self._share

    def enter(self, place: str) -> None:
        """One of this place is in."""
        self._in[place] += 1

    def leave(self, place: str) -> None:
        """One of this place is out."""
        self._in[place] -= 1
        if not self._in[place]:
            del self._in[place]
