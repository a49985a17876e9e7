"""Carrying out planned statements in short transactions, so that one that fails stops no other."""

import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg.errors import Diagnostic

from cloudsql_iam_operator.adapters.postgres.blockers import Blocker, Road, blocked
from cloudsql_iam_operator.adapters.postgres.encoding import codec_of
from cloudsql_iam_operator.adapters.postgres.queries import query
from cloudsql_iam_operator.adapters.postgres.refusals import (
    LOCKED,
    PASSING,
    ROW_FULL,
    UNSAYABLE,
    WARNING,
    Nothing,
    Outcome,
    did_nothing,
    held_up,
    postponed,
    refusal,
    said,
    short,
)
from cloudsql_iam_operator.adapters.postgres.session import Limits, reading, require_trusted, writing
from cloudsql_iam_operator.adapters.postgres.startup import Connection
from cloudsql_iam_operator.adapters.postgres.statements import encoded, shown, table_lock
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.grants.changes.statements import Statement, Transaction, halves
from cloudsql_iam_operator.core.reasons import Reason

log = logging.getLogger(__name__)

TRIES = 5
"""How often a transaction is tried while what stands in its way may go away by itself."""

CUTS = 64
"""How often failing statements are cut in two in one pass; what is left then fails as a whole."""

WARY_MILLISECONDS = 100
"""How long a lock is waited for once somebody was met who holds one."""

_AGAIN_SECONDS = 0.1
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Writer:
    """As whom, within which limits, and whether sessions may be ended that hold up a revocation.

    `fence` is called before each transaction and raises when nothing may be written any more. `place` is for the log.
    """

    role: str
    fence: Callable[[], None]
    limits: Limits
    terminate: bool
    place: str


class Applier:
    """Carries out transactions on one connection, once."""

    def __init__(self, connection: Connection, writer: Writer) -> None:
        self._connection = connection
        self._writer = writer
        self._outcome = Outcome()
        self._cuts = CUTS
        self._began = time.monotonic()
        self._wary = False
        self._looked: tuple[float, Road] | None = None
        self._aside: list[Transaction] = []
        self._strangers: dict[int | None, Blocker] = {}

    def apply(self, transactions: Sequence[Transaction]) -> Outcome:
        """Carry out as much as can be; what others hold up comes last, and keeps nothing else from being done.

        Raises:
            NotYet: the connection was lost, or code of somebody else would run as us.
        """
        for transaction in transactions:
            if self._watched() < self._writer.limits.writing:
                self._try(transaction, TRIES)
            else:
                self._outcome.refused += [postponed(statement) for statement in transaction.statements]
        if self._aside:
            self._wait_out()
        for statement in self._outcome.done:
            log.info("%s: executed %s", self._writer.place, short(shown(statement)))
        return replace(self._outcome, notices=tuple(self._ignored(one) for one in self._strangers.values()))

    def _try(self, transaction: Transaction, tries: int) -> None:
        left: Transaction | None = self._free(transaction, _LOOK_SECONDS) if self._wary else transaction
        attempt = 0
        while left is not None:
            attempt += 1
            try:
                self._run(left)
            except (psycopg.Error, Nothing) as error:
                self._require_open(error)
                if error.sqlstate == LOCKED:
                    self._wary = True
                    free = self._free(left)
                    if free != left:
                        left = free
                        continue
                if error.sqlstate in PASSING and attempt < tries:
                    time.sleep(random.uniform(0.01, 0.1) * 2**attempt)  # noqa: S311 - spreads contenders
                    continue
                self._split(left, error)
                return
            self._outcome.done += left.statements
            return

    def _free(self, transaction: Transaction, age: float = 0.0) -> Transaction | None:
        """The part that nobody held up `age` seconds ago; the other is put aside."""
        free, stuck = _parted(self._road(age), transaction.statements, lambda _: True)
        self._aside += [replace(transaction, statements=(statement,)) for statement in stuck]
        return replace(transaction, statements=free) if free else None

    def _road(self, age: float = 0.0) -> Road:
        """Who is in the way, as looked at no longer than `age` seconds ago."""
        if self._looked is None or time.monotonic() - self._looked[0] > age:
            road = Road(blocked(self._connection, self._writer.role), self._connection.info.server_version)
            self._looked = time.monotonic(), road
        return self._looked[1]

    def _wait_out(self) -> None:
        """Try again what is aside; when that lasts, revoke without locking tables first, and end sessions if we may.

        A revocation that goes on without the lock may make a migration fail that holds one: it is the lesser evil.
        """
        until = time.monotonic() + self._writer.limits.patience
        pause = _AGAIN_SECONDS
        while self._aside and time.monotonic() < until:
            time.sleep(pause)
            pause = min(2 * pause, max(_AGAIN_SECONDS, until - time.monotonic()))
            self._again(lambda _: True)
        self._again(lambda statement: statement.give)
        if self._aside and self._writer.terminate and self._ended():
            time.sleep(_AGAIN_SECONDS)
            self._again(lambda statement: statement.give)
        road = self._road() if self._aside else None
        for transaction in self._aside:
            assert road is not None
            self._outcome.refused += [held_up(s, self._why(road.blockers(s))) for s in transaction.statements]

    def _again(self, locking: Callable[[Statement], bool]) -> None:
        """Try what is aside and free by now, each statement once."""
        waiting, self._aside = self._aside, []
        road = self._road() if waiting else None
        for transaction in waiting:
            assert road is not None
            free, stuck = _parted(road, transaction.statements, locking)
            self._aside += [replace(transaction, statements=(statement,)) for statement in stuck]
            for statement in free:
                self._once(replace(transaction, statements=(statement,)), locking=locking(statement))

    def _once(self, transaction: Transaction, *, locking: bool) -> None:
        try:
            self._run(transaction, locking=locking)
        except (psycopg.Error, Nothing) as error:
            self._require_open(error)
            if error.sqlstate in PASSING:
                self._aside.append(transaction)
            else:
                self._split(transaction, error)
        else:
            self._outcome.done += transaction.statements

    def _ended(self) -> bool:
        """Whether any session was ended that holds up a revocation."""
        road = self._road()
        revocations = [s for transaction in self._aside for s in transaction.statements if not s.give]
        found = {blocker for statement in revocations for blocker in road.blockers(statement)}
        ended = [self._end(blocker) for blocker in sorted(found, key=lambda b: b.pid or 0) if blocker.pid]
        return any(ended)

    def _end(self, blocker: Blocker) -> bool:
        self._writer.fence()
        try:
            with reading(self._connection, self._writer.role):
                ended = self._connection.execute(query("end_session"), {"pid": blocker.pid, "role": blocker.role})
            row = ended.fetchone()
        except psycopg.Error as error:
            self._require_open(error)
            log.warning("%s: could not end %s: %s", self._writer.place, blocker.told(self._watched()), said(error))
            return False
        if row is None or not row[0]:
            return False
        log.info("%s: ended %s, which held up a revocation", self._writer.place, blocker.told(self._watched()))
        return True

    def _split(self, transaction: Transaction, error: psycopg.Error | Nothing) -> None:
        """Find the parts that can be carried out: statement by statement, then half by half."""
        first, *others = transaction.statements
        # Half of the grantees at a time would fill a row to the brim, so that nobody else could be granted anything.
        parts = transaction.statements if others else () if error.sqlstate == ROW_FULL else halves(first)
        if not parts or self._cuts <= 0:
            actor = transaction.actor or self._writer.role
            self._outcome.refused += [refusal(statement, actor, error) for statement in transaction.statements]
            return
        self._cuts -= 1
        for part in parts:
            self._try(replace(transaction, statements=(part,)), 1 if len(parts) == 2 else TRIES)

    def _run(self, transaction: Transaction, *, locking: bool = True) -> None:
        try:
            self._run_once(transaction, locking=locking)
        except psycopg.errors.InsufficientPrivilege:
            # An owner may have revoked its own rights to the table, and then may grant but not lock.
            if not locking or not any(table_lock(statement) for statement in transaction.statements):
                raise
            self._run_once(transaction, locking=False)

    def _texts(self, transaction: Transaction, *, locking: bool) -> list[bytes]:
        """What is sent for a transaction, each lock before its statement."""
        codec = codec_of(self._connection)
        try:
            every = [(encoded(one, codec, table_lock) if locking else b"", one) for one in transaction.statements]
            return [text for lock, one in every for text in (lock, encoded(one, codec)) if text]
        except Exception as error:
            raise Nothing(UNSAYABLE, f"it cannot be said: {type(error).__name__}") from error

    def _run_once(self, transaction: Transaction, *, locking: bool) -> None:
        self._writer.fence()
        notices: list[Nothing] = []

        def read(notice: Diagnostic) -> None:
            # Here and now: the server's answer is gone when this returns.
            if did_nothing(notice):
                notices.append(Nothing(notice.sqlstate or WARNING, notice.message_primary or "nothing was done"))

        texts = self._texts(transaction, locking=locking)
        self._connection.add_notice_handler(read)
        limits = self._writer.limits
        if self._wary:
            limits = replace(limits, lock=min(limits.lock, WARY_MILLISECONDS))
        try:
            with (
                self._connection.pipeline() as pipeline,
                writing(self._connection, transaction.actor or self._writer.role, limits) as strangers,
            ):
                for text in texts:
                    self._connection.execute(text)
                # Looked at in the end, so that what an event trigger did that nobody saw coming is undone.
                foreign_code = self._connection.execute(query("event_triggers"))
                pipeline.sync()
                for nothing in notices:
                    raise nothing
                require_trusted(foreign_code)
                self._strangers |= {row[0]: Blocker("", *row) for row in strangers.fetchall()}
        finally:
            self._connection.remove_notice_handler(read)

    def _watched(self) -> float:
        return time.monotonic() - self._began

    def _why(self, blockers: Sequence[Blocker]) -> str:
        if not blockers:
            return "a session that holds a lock and could not be seen in time; it is tried again"
        first, *others = blockers
        more = f" and {len(others)} more" if others else ""
        end = "ROLLBACK PREPARED" if first.pid is None else f"SELECT pg_terminate_backend({first.pid})"
        return f"{first.told(self._watched())}{more}: it is done once that ends; {end} ends it"

    def _ignored(self, stranger: Blocker) -> str:
        who = stranger.told(self._watched())
        return f"{who}, holds the operator's advisory lock in this database; nothing waits for that"

    def _require_open(self, error: psycopg.Error | Nothing) -> None:
        if self._connection.closed:
            text = f"the connection was lost while granting: {said(error)}"
            raise NotYet(Reason.DATABASE_UNREACHABLE, text) from error


def _parted(
    road: Road, statements: Iterable[Statement], locking: Callable[[Statement], bool]
) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
    """Statements, or parts of them, whose way is free, and those that are held up."""
    parts = [road.parted(statement, locking=locking(statement)) for statement in statements]
    return tuple(free for free, _ in parts if free is not None), tuple(stuck for _, stuck in parts if stuck is not None)
