"""Waiting for conditions with generous limits; the last look is in the error."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LIMIT = 120.0
"""Seconds that nothing here should need on the slowest machine."""


class NotInTime(AssertionError):
    """What was waited for did not come; the text holds the last look."""


def eventually(look: Callable[[], T], what: str, limit: float = LIMIT, *, pause: float = 0.1) -> T:
    """The first truthy value of `look`, tried again and again for `limit` seconds, `pause` seconds apart.

    An AssertionError raised by `look` counts as "not yet", and its text as the last look.
    """
    end = time.monotonic() + limit
    seen: object = None
    while True:
        try:
            value = look()
        except AssertionError as error:
            seen = error
        else:
            if value:
                return value
            seen = value
        if time.monotonic() > end:
            raise NotInTime(f"not within {limit:.0f} s: {what}; last seen: {seen}")
        time.sleep(pause)
