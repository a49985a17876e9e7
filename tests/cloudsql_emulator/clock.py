"""The emulator's time, which tests may move; nothing else here asks the machine for it."""

import asyncio
import datetime as dt

LOOK_SECONDS = 0.05
"""How soon who waits for a moment sees that the time was moved."""


class Clock:
    """The machine's time, moved ahead by as much as was asked for."""

    def __init__(self) -> None:
        self._ahead = dt.timedelta()

    def now(self) -> dt.datetime:
        """The present moment, aware, in UTC."""
        return dt.datetime.now(dt.UTC) + self._ahead

    async def reached(self, moment: dt.datetime) -> None:
        """Return once it is so late, by itself or because somebody moved the time."""
        while (left := (moment - self.now()).total_seconds()) > 0:
            await asyncio.sleep(min(left, LOOK_SECONDS))

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self._ahead += dt.timedelta(seconds=seconds)


def rfc3339(moment: dt.datetime) -> str:
    """A moment as Google writes it: UTC, milliseconds, Z."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
