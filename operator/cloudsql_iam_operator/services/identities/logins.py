"""Whether the way into an instance that its object declares works: tried, and remembered for a while."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cloudsql_iam_operator.adapters.postgres.connector_failures import NoConnect
from cloudsql_iam_operator.adapters.postgres.database import Access, Database
from cloudsql_iam_operator.api.instance import Admin, CloudSQLInstance, ConnectionName
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason

MAINTENANCE = "postgres"
"""The database that is logged in to first: every server has it unless somebody dropped it, and it is no tenant's."""

OTHERS = 2
"""How many other databases are tried where the operator may not connect to that one."""

SHARE = 0.85
"""Part of an interval for which a session's verdict counts: checks come after 0.9 of one at the earliest."""

_What = tuple[ConnectionName, Admin, str]


@dataclass(frozen=True, slots=True)
class _Trial:
    """What was tried at a time of the monotonic clock, and the verdict on it; None when all of it works."""

    what: _What
    at: float
    failure: NotYet | None


class Logins:
    """Tries logins of instances, with at most one session an instance and interval. Blocks: call from a thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tried: dict[str, _Trial] = {}

    def require(
        self, instance: CloudSQLInstance, access: Access, databases: Iterable[str], *, fresh: bool = False
    ) -> None:
        """Return when the operator can log in and act as `setRole` and `ownerRoles` say.

        What a session showed counts until its next check, unless what is declared changed or `fresh` is wanted.
        `databases` are those to try besides, where the operator may not connect to "postgres".

        Raises:
            NotYet: it cannot; the reason says what of it fails.
        """
        name, what = instance.metadata.key.name, (instance.connection, instance.admin, access.user)
        seen = self._tried.get(name)
        if seen is None or fresh or seen.what != what or self._clock() - seen.at >= instance.interval * SHARE:
            self._tried.pop(name, None)
            seen = self._tried[name] = _Trial(what, self._clock(), _verdict(access, databases))
        if seen.failure is not None:
            left = max(seen.at + instance.interval * SHARE - self._clock(), 1.0)
            raise NotYet(seen.failure.reason, seen.failure.message, left)

    def forget(self, name: str) -> None:
        """The object is gone."""
        self._tried.pop(name, None)


def _verdict(access: Access, databases: Iterable[str]) -> NotYet | None:
    """What a session shows: None when the roles can be taken, else why not.

    Raises:
        NotYet: there was no session.
    """
    database = _entered(access, [MAINTENANCE, *sorted(set(databases) - {MAINTENANCE})[:OTHERS]])
    try:
        database.try_roles()
    except NotYet as failure:
        return failure
    finally:
        database.close()
    return None


def _entered(access: Access, databases: list[str]) -> Database:
    closed: list[NotYet] = []
    for name in databases:
        try:
            return Database(access, name)
        except NoConnect as failure:
            closed.append(failure)
        except NotYet as failure:
            if failure.reason is not Reason.DATABASE_NOT_FOUND:
                raise
            closed.append(failure)
    raise NotYet(closed[0].reason, "; ".join(failure.message for failure in closed))
