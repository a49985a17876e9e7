"""Globs: `*` for any run of characters, `?` for one, anchored at both ends. What they name is not known here."""

from collections.abc import Iterable
from functools import lru_cache


class Globs:
    """Several globs as one automaton, which takes one step for each character of a text, whatever the globs say.

    The places in all globs are the bits of one number, so a step costs three operations on a number as long as the
    globs together; nothing backtracks. Case counts.
    Source: Baeza-Yates and Gonnet, "A new approach to text searching" (Shift-And)
    """

    def __init__(self, globs: Iterable[str]) -> None:
        self._begin = self._end = self._stay = self._any = 0
        self._at: dict[str, int] = {}
        place = 1
        for glob in globs:
            self._begin |= place
            place = self._laid_out(glob, place)
            self._end |= place
            place <<= 1

    def match(self, text: str) -> bool:
        """Whether one of the globs matches the whole text."""
        places = self._begin
        for character in text:
            fitting = places & (self._at.get(character, 0) | self._any)
            places = fitting << 1 | places & self._stay
            if not places:
                return False
        return bool(places & self._end)

    def _laid_out(self, glob: str, place: int) -> int:
        """Lay the glob out from this place on; the place after its last character."""
        for character in glob:
            if character == "*":
                self._stay |= place
                continue
            if character == "?":
                self._any |= place
            else:
                self._at[character] = self._at.get(character, 0) | place
            place <<= 1
        return place


def matches(glob: str, text: str) -> bool:
    """Whether the glob matches the whole text; case counts."""
    return _automaton(glob).match(text)


@lru_cache(maxsize=1024)
def _automaton(glob: str) -> Globs:
    return Globs((glob,))
