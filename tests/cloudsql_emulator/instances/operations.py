"""Operations on instances: one at a time on each, done at once unless a test wants them slow or failing."""

import asyncio
import datetime as dt
import itertools
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from cloudsql_emulator.api.errors import ApiError, operation_in_progress
from cloudsql_emulator.clock import Clock

OperationType = Literal[
    "CREATE_USER", "UPDATE_USER", "DELETE_USER", "UPDATE", "RESTART", "CREATE_DATABASE", "DELETE_DATABASE"
]


@dataclass(slots=True)
class Pace:
    """How operations go: seconds in PENDING and in RUNNING by the emulator's clock, and how many of the next ones fail.

    A slow operation takes effect at its end. With `effect_despite_error` a failing one takes effect all the same.
    """

    pending: float = 0.0
    running: float = 0.0
    failures: int = 0
    code: str = "INTERNAL_ERROR"
    message: str = "An internal error occurred."
    effect_despite_error: bool = False


@dataclass(slots=True)
class Operation:
    """One operation; times are aware. `errors` are pairs of a code and a message."""

    project: str
    instance: str
    type: OperationType
    caller: str
    inserted: dt.datetime
    name: str = field(default_factory=lambda: str(uuid.uuid4()))
    number: int = 0
    status: Literal["PENDING", "RUNNING", "DONE"] = "PENDING"
    started: dt.datetime | None = None
    ended: dt.datetime | None = None
    errors: tuple[tuple[str, str], ...] = ()


Effect = Callable[[], Awaitable[None]]


class Operations:
    """Every operation there was, and the one that runs on each instance."""

    def __init__(self, clock: Clock) -> None:
        self.pace = Pace()
        self._clock = clock
        self._operations: dict[str, Operation] = {}
        self._running: dict[tuple[str, str], Operation] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, name: str) -> Operation | None:
        """An operation by its name."""
        return self._operations.get(name)

    def listed(self, project: str, instance: str | None) -> list[Operation]:
        """Operations of a project, or of one instance in it, newest first."""
        found = [each for each in self._operations.values() if each.project == project]
        return sorted(
            (each for each in found if instance in {None, each.instance}), key=lambda each: each.number, reverse=True
        )

    async def run(self, operation: Operation, effect: Effect) -> Operation:
        """Carry out an operation, here or in the background as the pace says.

        Raises:
            ApiError: another one runs on the instance, or the effect was refused before the operation began.
        """
        key = (operation.project, operation.instance)
        if key in self._running:
            raise operation_in_progress()
        operation.number = next(self._numbers)
        self._running[key] = operation
        if self.pace.pending or self.pace.running:
            self._operations[operation.name] = operation
            task = asyncio.create_task(self._run_slowly(operation, effect))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return operation
        try:
            await self._finish(operation, effect)
        finally:
            del self._running[key]
        self._operations[operation.name] = operation
        return operation

    def occupy(self, project: str, instance: str) -> None:
        """Have an operation run on an instance, one that nobody sees, until it is released."""
        self._running[project, instance] = Operation(project, instance, "UPDATE", "", self._clock.now())

    def release(self, project: str, instance: str) -> None:
        """End such an operation."""
        self._running.pop((project, instance), None)

    async def stop(self) -> None:
        """Drop what still runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run_slowly(self, operation: Operation, effect: Effect) -> None:
        try:
            begins = operation.inserted + dt.timedelta(seconds=self.pace.pending)
            ends = begins + dt.timedelta(seconds=self.pace.running)
            await self._clock.reached(begins)
            operation.status, operation.started = "RUNNING", self._clock.now()
            await self._clock.reached(ends)
            await self._finish(operation, effect)
        except ApiError as refused:
            self._end(operation, (("INVALID_REQUEST", refused.message),))
        finally:
            self._running.pop((operation.project, operation.instance), None)

    async def _finish(self, operation: Operation, effect: Effect) -> None:
        operation.started = operation.started or self._clock.now()
        fails = self.pace.failures > 0
        if fails:
            self.pace.failures -= 1
        if not fails or self.pace.effect_despite_error:
            await effect()
        self._end(operation, ((self.pace.code, self.pace.message),) if fails else ())

    def _end(self, operation: Operation, errors: tuple[tuple[str, str], ...]) -> None:
        operation.status, operation.ended, operation.errors = "DONE", self._clock.now(), errors
