"""One open database, as services see it: observe, name, apply, close."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg

from cloudsql_iam_operator.adapters.postgres.apply import Applier, Writer
from cloudsql_iam_operator.adapters.postgres.connect import Connect
from cloudsql_iam_operator.adapters.postgres.encoding import codec_of, read_any_name, sayable
from cloudsql_iam_operator.adapters.postgres.inspection import databases, fingerprint, inspect, object_names
from cloudsql_iam_operator.adapters.postgres.refusals import Outcome
from cloudsql_iam_operator.adapters.postgres.session import Limits, refused_roles, role_failure
from cloudsql_iam_operator.adapters.postgres.startup import Connection
from cloudsql_iam_operator.adapters.postgres.statements import granted_by_hand, shown
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.grants.changes.statements import ObjectName, Statement, Transaction
from cloudsql_iam_operator.core.grants.observed.snapshot import Lookups, Snapshot
from cloudsql_iam_operator.core.reasons import Reason

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Access:
    """How to work on the databases of one instance.

    `set_role` is taken for every transaction ("" for none). `owner_roles` are those that may be acted as. `fence` is
    called before each writing transaction and raises when nothing may be written any more. `place` is for the log.
    `terminate_blockers` is whether sessions may be ended that hold up a revocation. `user` is who is logged in.
    """

    connect: Connect
    set_role: str
    owner_roles: tuple[str, ...]
    fence: Callable[[], None]
    place: str
    limits: Limits = field(default_factory=Limits)
    terminate_blockers: bool = False
    user: str = ""


class Database:
    """A connection to one database. Use it in one thread at a time, and close it."""

    def __init__(self, access: Access, name: str) -> None:
        self.name = name
        self._access = access
        self._connection: Connection = access.connect(name)
        read_any_name(self._connection)
        self._codec = codec_of(self._connection)

    def resumed(self, access: Access) -> bool:
        """Whether the connection is one that `access` would make, and answers; it goes on as that says, then."""
        if access.connect != self._access.connect:
            return False
        try:
            self._connection.execute("select 1")
        except psycopg.Error:
            return False
        self._access = access
        return True

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def fingerprint(self, kinds: Iterable[ObjectKind]) -> str:
        """A text that changes whenever a name, a right, a role or a membership does; of objects, those of `kinds`."""
        return self._guarded(lambda: fingerprint(self._connection, self._access.set_role, kinds))

    def databases(self) -> dict[tuple[str, int], str]:
        """Names of the server's databases by what tells the server from others, and oid."""
        return self._guarded(lambda: databases(self._connection, self._access.set_role))

    def try_roles(self) -> None:
        """Return when the login may act as every role that the access names, which is tried. Nothing is written.

        Raises:
            NotYet: it may not; or the server gave no answer.
        """
        access = self._access
        named = dict.fromkeys(role for role in (access.set_role, *access.owner_roles) if role)
        refused = self._guarded(lambda: refused_roles(self._connection, named))
        if not refused:
            return
        which = "setRole" if access.set_role in refused else "ownerRoles"
        reason = Reason.SET_ROLE_FAILED if which == "setRole" else Reason.OWNER_ROLE_FAILED
        said = "; ".join(f"{role!r}: {why}" for role, why in refused.items())
        how = " ".join(granted_by_hand(role, access.user) for role in refused)
        text = f"spec.admin.database.{which}: {access.user!r} may not act on {access.place} as {said}"
        raise NotYet(reason, f"{text}; create the role, or have somebody who may grant it run: {how}")

    def inspect(self, lookups: Lookups) -> Snapshot:
        """What was asked for, at one moment."""
        access = self._access
        asked = sayable(lookups, self._codec)
        return self._guarded(lambda: inspect(self._connection, access.set_role, access.owner_roles, asked))

    def names(self, wanted: Mapping[ObjectKind, Iterable[int]]) -> dict[tuple[ObjectKind, int], ObjectName]:
        """Names of objects by kind and oid."""
        if not wanted:
            return {}
        return self._guarded(lambda: object_names(self._connection, self._access.set_role, wanted))

    def apply(self, transactions: Sequence[Transaction]) -> Outcome:
        """Carry out as much as can be."""
        access = self._access
        place = f"{access.place}/{self.name}"
        writer = Writer(access.set_role, access.fence, access.limits, access.terminate_blockers, place)
        return Applier(self._connection, writer).apply(transactions)

    @staticmethod
    def shown(statement: Statement) -> str:
        """A statement for people to read."""
        return shown(statement)

    def _guarded(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except psycopg.Error as error:
            refused = role_failure(error, self._access.set_role, self._access.user)
            if refused is not None:
                raise refused from error
            said = error.diag.message_primary or str(error).split("\n", 1)[0]
            text = f"reading database {self.name!r} on {self._access.place} failed: {said}"
            raise NotYet(Reason.DATABASE_UNREACHABLE, text) from error


@contextmanager
def opened(access: Access, name: str) -> Iterator[Database]:
    """A session of its own.

    Raises:
        NotYet: there is no way in.
    """
    database = Database(access, name)
    try:
        yield database
    finally:
        database.close()
