"""When a lane looks at everything again, so that no answer gets too old for who is content with one of that age."""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

RENEWED = 2 / 3
"""The part of the age that wants are content with after which a lane looks again by itself."""

TICK = 0.001
"""Seconds that are not waited for: a clock may not show the difference."""


class Looks(Generic[K]):
    """The ages that keys are content with, and when the last pass over everything ended.

    Passes for a few do not put the next one off.
    """

    def __init__(self) -> None:
        self._ages: dict[K, float] = {}
        self._ended: float | None = None
        self._whole = False

    def content(self, key: K, age: float) -> None:
        """A key is content with answers of this age, in seconds."""
        self._ages[key] = age

    def forget(self, key: K) -> None:
        """A key needs none any more."""
        self._ages.pop(key, None)

    def ended(self, now: float, *, whole: bool) -> None:
        """A pass ended that was over everything; or failed, so that the next one is to be."""
        self._ended = now
        self._whole = whole

    def left(self, now: float) -> float:
        """Seconds until everything is looked at again; 0 when nobody asks for that."""
        age = min(self._ages.values(), default=0.0) * RENEWED
        if not age or self._ended is None:
            return age
        return max(self._ended + age - now, TICK)

    def fresh(self, now: float) -> bool:
        """Whether everything was looked at lately, so that a pass may be for a few."""
        return self._whole and self.left(now) > TICK
