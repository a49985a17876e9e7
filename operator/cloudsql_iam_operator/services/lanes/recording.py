"""What wants of a pass cause is on record before it is done: their objects record it while the pass waits."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import Failure, NotYet
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.barrier import Wants

RECORDING_SECONDS = 60.0
"""How long a pass waits for records. It holds no transaction meanwhile."""

Record = Callable[[Key, GrantWant], Awaitable[None]]
"""Has one object record what its want is about to cause, and what it found; raises Failure when it cannot."""

HaveRecorded = Callable[[Wants], Mapping[Key, Failure]]
"""Has the objects of these wants record that; why some could not. Called in the thread of a pass."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Wants of which nothing is left to record; `failures` are of those that could not be: they are shown only."""

    wants: Wants
    amended: Wants = field(default_factory=dict)
    failures: Mapping[Key, Failure] = field(default_factory=dict)


async def nowhere(key: Key, want: GrantWant) -> None:
    """Record nothing: for wants that say that all is on record."""


def recorded(wants: Wants, have_recorded: HaveRecorded | None) -> Recorded:
    """The wants, after the objects recorded what they had not yet."""
    new = {key: want for key, want in wants.items() if want.recording}
    if not new or have_recorded is None:
        return Recorded(wants)
    failures = have_recorded(new)
    amended = {key: want.recorded() for key, want in new.items() if key not in failures}
    shown = {key: replace(new[key], dry=True, recording=False) for key in failures}
    return Recorded({**wants, **amended, **shown}, amended, failures)


def from_thread(record: Record) -> HaveRecorded:
    """The same for threads, over the event loop in which this is called."""
    loop = asyncio.get_running_loop()

    def have_recorded(wants: Wants) -> Mapping[Key, Failure]:
        running = asyncio.run_coroutine_threadsafe(_all_recorded(record, wants), loop)
        return running.result(2 * RECORDING_SECONDS)

    return have_recorded


async def _all_recorded(record: Record, wants: Wants) -> Mapping[Key, Failure]:
    tasks = {asyncio.ensure_future(record(key, want)): key for key, want in wants.items()}
    done, late = await asyncio.wait(tasks, timeout=RECORDING_SECONDS)
    for task in late:
        task.cancel()
    text = "what is about to be granted could not be recorded in time"
    failures: dict[Key, Failure] = {tasks[task]: NotYet(Reason.PROGRESSING_WITH_RETRY, text) for task in late}
    for task in done:
        error = task.exception()
        if isinstance(error, Failure):
            failures[tasks[task]] = error
        elif error is not None:
            raise error
    return failures
