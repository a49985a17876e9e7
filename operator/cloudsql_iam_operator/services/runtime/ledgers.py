"""What live objects of an instance record as granted there, each status read once, since every pass asks again."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from cloudsql_iam_operator.api.bodies import Remembered
from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.api.names import GRANT, USER, Key
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, of_the_server
from cloudsql_iam_operator.core.grants.desired.written import recorded
from cloudsql_iam_operator.core.users.roles import ledger_for
from cloudsql_iam_operator.services.runtime.registry import Live, Registry

log = logging.getLogger(__name__)

_NOTHING: Ledger = frozenset()


@dataclass(frozen=True, slots=True)
class Records:
    """What objects record as applied, and what of it as found."""

    applied: Mapping[Key, Ledger] = field(default_factory=dict)
    found: Mapping[Key, Ledger] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of one object as it was remembered, which is another one when it is shown again."""

    of: Remembered
    applied: Ledger = _NOTHING
    found: Ledger = _NOTHING


class Ledgers:
    """Belongs to one event loop."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._read: dict[tuple[ConnectionName, str], dict[Key, _Read]] = {}

    def besides(self, wanted: Collection[Key], connection: ConnectionName, database: str) -> Records:
        """The records of objects that want nothing of a database, and are not going.

        Of grants for other databases what they did to the server; of users the roles that they were given, which are of
        the whole server too.
        """
        place, before = (connection, database), self._read.get((connection, database), {})
        now: dict[Key, _Read] = {}
        for kind in (GRANT, USER):
            for live in self._registry.recorded_at(kind.name, str(connection)):
                if not live.deleting and live.key not in wanted:
                    known = before.get(live.key)
                    is_same = known is not None and known.of is live.remembered
                    now[live.key] = known if known is not None and is_same else _read(live, database)
        self._read[place] = now
        held = {key: one for key, one in now.items() if one.applied}
        return Records(
            {key: one.applied for key, one in held.items()}, {key: one.found for key, one in held.items() if one.found}
        )


def _read(live: Live, database: str) -> _Read:
    of = live.remembered
    if live.key.kind == USER.name:
        record = live.record
        return _Read(of, ledger_for(record.username, record.roles)) if record.roles else _Read(of)
    status = live.status
    try:
        applied, found = recorded(status.get("applied", ())), recorded(status.get("found", ()))
    except (KeyError, TypeError, ValueError) as error:
        log.warning("%s: status.applied cannot be read and claims nothing: %r", live.key, error)
        return _Read(of)
    return _Read(of, applied if status.get("database") == database else of_the_server(applied), found)
