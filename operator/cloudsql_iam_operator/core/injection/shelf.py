"""What was worked out before: parts of pods by all that they say, and what followed from a part, beside it.

Kept is what comes a second time: parts that differ in each pod cost no room, and push nothing out.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

MOST_BYTES = 2 * 1024 * 1024
MOST_PARTS = 1024
"""Of all parts that are kept: bytes that they were written with, and how many there are."""

LARGEST = 32 * 1024
"""Bytes of a part that is kept."""

MOST_MET = 4096
"""Parts, twice over, that are remembered to have come once; of each nothing but a number."""


class Part(Protocol):
    """Something that never changes, with room for what was worked out from it."""

    @property
    def known(self) -> dict[Any, Any]:
        """Results, by what made them."""


P = TypeVar("P", bound=Part)
T = TypeVar("T")
Rest = ParamSpec("Rest")


class Shelf:
    """Parts of pods, those that were used last. Belongs to one thread."""

    def __init__(self) -> None:
        self._parts: OrderedDict[bytes, Any] = OrderedDict()
        self._loose: list[Part] = []
        self._met: set[int] = set()
        self._met_before: set[int] = set()
        self.held = 0

    def part(self, key: bytes, make: Callable[Rest, P], *rest: Rest.args, **named: Rest.kwargs) -> P:
        """The part that `key` says everything about; one that b"" stands for is made anew each time."""
        found: P | None = self._parts.get(key)
        if found is not None:
            self._parts.move_to_end(key)
            return found
        made = make(*rest, **named)
        if 0 < len(key) <= LARGEST and self._comes_again(key):
            self._keep(key, made)
        else:
            self._loose.append(made)
        return made

    def tidy(self, large: Iterable[Part]) -> None:
        """Forget what followed from parts that are not kept, as it may lead back to them, and from `large` ones."""
        for part in (*self._loose, *large):
            part.known.clear()
        self._loose.clear()

    def _comes_again(self, key: bytes) -> bool:
        """Whether it was met before, as far as that is remembered; a number that two share does no harm."""
        number = hash(key)
        if number in self._met or number in self._met_before:
            return True
        if len(self._met) >= MOST_MET:
            self._met, self._met_before = set(), self._met
        self._met.add(number)
        return False

    def _keep(self, key: bytes, made: Part) -> None:
        self._parts[key] = made
        self.held += len(key)
        while self.held > MOST_BYTES or len(self._parts) > MOST_PARTS:
            oldest, part = self._parts.popitem(last=False)
            self.held -= len(oldest)
            part.known.clear()  # what is known may lead back to the part


def kept(part: P, make: Callable[Concatenate[P, Rest], T], *rest: Rest.args, **named: Rest.kwargs) -> T:
    """What a pure function makes of the part and the rest, made anew only when the rest is another than last time."""
    given = (rest, named) if named else rest
    found = part.known.get(make)
    # equal is enough, and the same is seen at once
    if found is not None and found[0] == given:
        value: T = found[1]
        return value
    made = make(part, *rest, **named)
    part.known[make] = (given, made)
    return made
