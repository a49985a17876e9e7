"""An end that is declared, moved, taken away or refused: until when the access lasts then, by each way of binding.

The table is how the access stood x which end is declared then x whether the rule bounds it x how bindings come about.
What a rule refuses moves no end on: it is the earlier of the one that was admitted and the one that is declared.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from cloudsql_iam_operator.api.parsing.times import instant_text
from unit.services.authority.shared_user import MEMBER, World

BEGAN = datetime.now(UTC).replace(microsecond=0)
ENDS = {
    "none": "",
    "past": "2026-01-01T00:00:00Z",
    **{
        name: instant_text(BEGAN + timedelta(hours=hours))
        for name, hours in (("earlier", 1), ("soon", 4), ("later", 6), ("too late", 20))
    },
}
"""Ends by name, "" for none; with a bound of eight hours there must be one, and not the latest."""

BEFORE = {"without end": ["none"], "with an end": ["soon"], "ended": ["soon", "past"]}
"""Ends that were declared one after the other."""

MODES: dict[str, dict[str, str]] = {
    "PerInstance": {"condition": "PerInstance"},
    "None": {"condition": "None"},
    "External": {"mode": "External"},
}
ROLES = ("roles/cloudsql.client", "roles/cloudsql.instanceUser")


@dataclass(frozen=True)
class Row:
    before: str
    then: str
    bounded: bool
    mode: str

    @property
    def possible(self) -> bool:
        return not (self.bounded and self.before == "without end")

    @property
    def refused(self) -> bool:
        return self.bounded and self.then in {"none", "too late"}

    @property
    def end(self) -> str:
        """Until when the access lasts, "" for good."""
        if not self.refused:
            return ENDS[self.then]
        return min(end for end in (ENDS[BEFORE[self.before][-1]], ENDS[self.then]) if end)

    @property
    def lasts(self) -> bool:
        return self.end != ENDS["past"]

    def __str__(self) -> str:
        return f"{self.before}-then {self.then}-{'bounded' if self.bounded else 'unbounded'}-{self.mode}"


ROWS = [row for row in (Row(*one) for one in product(BEFORE, ENDS, (False, True), MODES)) if row.possible]


@dataclass(frozen=True)
class Outcome:
    """How a row ended: Ready, the recorded end, and the conditions under which the principal is bound, by role."""

    reason: str
    recorded: str
    conditions: Mapping[str, str]
    written: list[str]
    again: list[str]


class Played:
    """One row in a world of its own."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._world = World()
        self._world.iam = MODES[row.mode]

    async def outcome(self) -> Outcome:
        world, row = self._world, self._row
        try:
            world.rules("orders", "orders", **({"maxExpiry": "8h"} if row.bounded else {}))
            for end in BEFORE[row.before]:
                await self._declare(ENDS[end])
            since = len(world.google.written)
            await self._declare(ENDS[row.then])
            written, settled = world.google.written[since:], len(world.google.written)
            world.restart()
            await world.rest(self._key)
            held = [one for one in world.google.policy["bindings"] if MEMBER in one["members"]]
            return Outcome(
                world.ready(self._key)[1],
                world.status(self._key).get("expiresAt", ""),
                {one["role"]: one.get("condition", {}).get("expression", "") for one in held},
                written,
                world.google.written[settled:],
            )
        finally:
            world.close()

    async def _declare(self, end: str) -> None:
        """Declare an end, and bind as the status asks for where others bind."""
        more: dict[str, Any] = {"expiresAt": end} if end else {}
        self._key = self._world.user("x", namespace="orders", **more)
        await self._world.rest(self._key)
        if self._world.ready(self._key)[1] == "IAMBindingMissing":
            condition = {"title": "login", "expression": f"request.time < timestamp('{end}')"}
            bindings = [
                {"role": role, "members": [MEMBER], **({"condition": condition} if end else {})} for role in ROLES
            ]
            self._world.google.policy = {"etag": f"others-{end}", "bindings": bindings}
            self._world.restart()
            await self._world.rest(self._key)


@pytest.fixture(scope="module")
def outcomes() -> Mapping[Row, Outcome]:
    """All rows, played at once: each waits for its lanes most of the time."""

    async def all_of_them() -> dict[Row, Outcome]:
        told = await asyncio.gather(*(Played(row).outcome() for row in ROWS))
        return dict(zip(ROWS, told, strict=True))

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_an_access_lasts_until_the_end_that_is_declared_and_admitted(outcomes: Mapping[Row, Outcome], row: Row) -> None:
    outcome = outcomes[row]

    assert outcome.recorded == row.end
    assert outcome.again == []
    expected = "ExpiryNotAllowed" if row.refused else "Succeeded" if row.lasts else "Expired"
    assert outcome.reason == expected
    if row.mode == "External":
        assert outcome.written == []
        return
    assert sorted(outcome.conditions) == (list(ROLES) if row.lasts else [])
    until = f"request.time < timestamp('{row.end}')"
    assert all((until in one) if row.end else ("request.time" not in one) for one in outcome.conditions.values())
