"""What goes ahead of what, in every place where something waits its turn. Who waits there is not known here."""

import contextvars
from enum import IntEnum


class Rank(IntEnum):
    """How pressing work is, the most pressing first."""

    EDIT = 0
    """Somebody changed or deleted something, or it must be taken back."""

    FIRST = 1
    """What is not as declared yet: new objects, and those that wait for something."""

    CHECK = 2
    """What was as declared when last seen."""


class Overtaken(Exception):
    """What was waited for is not wanted any more as it was: look at the object anew."""


_CURRENT: contextvars.ContextVar[Rank] = contextvars.ContextVar("rank", default=Rank.EDIT)


def current() -> Rank:
    """The rank of what runs: that of the reconcile or the pass that this task belongs to."""
    return _CURRENT.get()


def enter(rank: Rank) -> None:
    """Go on in this task, and in all that it starts, with that rank."""
    _CURRENT.set(rank)
