"""Python's cyclic garbage collector, kept out of the way of answers: what stands for long is not looked at again."""

import asyncio
import gc
from collections.abc import Callable

NEW_OBJECTS = 20_000
"""Objects that are made, and not gone by themselves, before the collector looks: a review leaves none behind."""

LOOK_SECONDS = 0.5


def spare_what_stands() -> None:
    """Take all objects that there are out of every later collection, which would walk through them for milliseconds."""
    gc.set_threshold(NEW_OBJECTS, 20, 20)
    gc.collect()
    gc.freeze()


def spare_once(ready: Callable[[], bool], loop: asyncio.AbstractEventLoop) -> None:
    """The same as soon as the server is ready, when its copies of the cluster are whole."""
    if ready():
        spare_what_stands()
    else:
        loop.call_later(LOOK_SECONDS, spare_once, ready, loop)
