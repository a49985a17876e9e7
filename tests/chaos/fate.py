"""One count of all calls to the outside, and the one at which the operator's process is killed."""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cloudsql_emulator.witness import Witness

When = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Blow:
    """At which call, counted from 1, and whether before it was handled or after, with its answer not sent."""

    call: int
    when: When

    def __str__(self) -> str:
        return f"{self.when} call {self.call}"


class Fate(Witness):
    """Counts while it is armed. Told of calls from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        self._blow: Blow | None = None
        self.calls: list[str] = []
        """What was called since it was armed, oldest first, up to the blow."""
        self.struck = False
        self._over = threading.Event()

    def arm(self, pid: int, blow: Blow | None) -> None:
        """Count from 1, and kill this process then."""
        with self._lock:
            self._pid, self._blow, self.calls, self.struck = pid, blow, [], False
            self._over.clear()

    def disarm(self) -> None:
        """Kill nobody."""
        with self._lock:
            self._pid = 0
            self._over.set()

    def await_blow(self) -> bool:
        """Return once it fell, or can fall no more; whether it fell."""
        self._over.wait()
        return self.struck

    def came(self, call: str) -> Callable[[], None] | None:
        """Counted; None for the call before which the operator was killed."""
        with self._lock:
            if not self._pid:
                return _nothing
            self.calls.append(call)
            number = len(self.calls)
            if self._blow == Blow(number, "before"):
                self._strike()
                return None
        return lambda: self._went(number)

    def _went(self, number: int) -> None:
        with self._lock:
            if self._pid and self._blow == Blow(number, "after"):
                self._strike()

    def _strike(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self._pid, self.struck = 0, True
        self._over.set()


def _nothing() -> None:
    """Nobody counts."""
