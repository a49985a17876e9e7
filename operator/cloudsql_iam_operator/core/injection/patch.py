"""JSON Patch operations, written by hand in the one shape that injection needs. Applying them is not done here."""

from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import orjson

JSON = Any
"""Whatever JSON holds."""


class _Addition(NamedTuple):
    path: str
    value: JSON


class Add(_Addition):
    """Put `value` at `path`: inserted when that is a list's index, set when it is a member. Neither changes.

    Source: RFC 6902, section 4.1
    """

    @cached_property
    def written(self) -> bytes:
        """The operation as JSON Patch writes it, in JSON; many pods get the very same."""
        return orjson.dumps({"op": "add", "path": self.path, "value": self.value})


@lru_cache(maxsize=512)
def pointer(*steps: str | int) -> str:
    """JSON Pointer to the place that the steps lead to, each escaped.

    Source: RFC 6901, section 3
    """
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def inserted(place: tuple[str | int, ...], index: int, values: list[JSON], existing: list[JSON] | None) -> list[Add]:
    """Operations that put `values` into the list at `place`, from `index` on, keeping their order.

    A list that is missing, null or empty is set whole, since nothing can be added to a path that is not there.
    """
    if not values:
        return []
    if not existing:
        return [Add(pointer(*place), values)]
    parent = pointer(*place)
    return [Add(f"{parent}/{index + offset}", value) for offset, value in enumerate(values)]
