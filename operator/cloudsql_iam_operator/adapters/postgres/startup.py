"""What a session starts with, whatever defaults the database, the role or both together carry.

Such defaults are for a database's owner to set, and act before our first statement. What a client asks for at login
outranks them all. Source: PostgreSQL documentation, pg_settings (source), ALTER DATABASE, ALTER ROLE
"""

import logging
import re
from collections.abc import Callable, Mapping

import psycopg
from psycopg import IsolationLevel
from psycopg.rows import TupleRow

log = logging.getLogger(__name__)
Connection = psycopg.Connection[TupleRow]

SAFE_PATH = "pg_catalog, pg_temp"
"""Where names are looked up. Temporary objects come first where they are not named, so they are named last."""

TRANSACTION_TIMEOUT_SINCE = 170000
"""The first version with the setting `transaction_timeout`; older ones refuse a login that names it."""

SESSION: Mapping[str, str] = {
    "search_path": SAFE_PATH,
    "array_nulls": "on",
    "backslash_quote": "safe_encoding",
    "bytea_output": "hex",
    "check_function_bodies": "on",
    "client_min_messages": "notice",
    "DateStyle": "ISO, MDY",
    "default_table_access_method": "heap",
    "default_tablespace": "",
    "exit_on_error": "off",
    "extra_float_digits": "1",
    "IntervalStyle": "postgres",
    "jit": "off",
    "quote_all_identifiers": "off",
    "row_security": "on",
    "standard_conforming_strings": "on",
    "synchronous_commit": "on",
    "temp_tablespaces": "",
    "TimeZone": "UTC",
    "transform_null_equals": "off",
    "xmlbinary": "base64",
    "xmloption": "content",
}
"""Settings that could change what a statement means or leaves behind; set at login, and again in each transaction."""

_LOGIN: Mapping[str, str] = {
    "role": "none",
    "local_preload_libraries": "",
    "default_transaction_deferrable": "off",
    "default_transaction_isolation": "read committed",
    # Code that runs at login is others', and runs as us: it may write nothing. Our transactions say READ WRITE.
    "default_transaction_read_only": "on",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "lock_timeout": "0",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "client_connection_check_interval": "0",
    "tcp_keepalives_count": "0",
    "tcp_keepalives_idle": "0",
    "tcp_keepalives_interval": "0",
    "tcp_user_timeout": "0",
}
"""Settings that act on a login, or between transactions."""

_PLANNING: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "enable_bitmapscan",
            "enable_gathermerge",
            "enable_hashagg",
            "enable_hashjoin",
            "enable_incremental_sort",
            "enable_indexonlyscan",
            "enable_indexscan",
            "enable_material",
            "enable_memoize",
            "enable_mergejoin",
            "enable_nestloop",
            "enable_seqscan",
            "enable_sort",
            "enable_tidscan",
            "geqo",
        ),
        "on",
    ),
    "cpu_index_tuple_cost": "0.005",
    "cpu_operator_cost": "0.0025",
    "cpu_tuple_cost": "0.01",
    "cursor_tuple_fraction": "0.1",
    "from_collapse_limit": "8",
    "join_collapse_limit": "8",
    "max_parallel_workers_per_gather": "2",
    "min_parallel_index_scan_size": "512kB",
    "min_parallel_table_scan_size": "8MB",
    "parallel_setup_cost": "1000",
    "parallel_tuple_cost": "0.1",
    "plan_cache_mode": "auto",
    "random_page_cost": "4",
    "seq_page_cost": "1",
    "work_mem": "4MB",
}
"""Settings by which the same look at a big database could be made to outlast its timeout."""

EVERY: Mapping[str, str] = {**SESSION, **_LOGIN, **_PLANNING}
"""All that is asked for at login."""

_UNKNOWN = re.compile(
    r'(?:unrecognized configuration parameter|permission denied to set parameter) "([A-Za-z_]{1,63})"'
)
_POOLER = "unsupported startup parameter"
"""What pgbouncer says, and poolers made after it."""


class Startup:
    """The options of logins to one instance, less what each of its databases was found to refuse.

    `version` is the server's major version, 0 when it is not known yet. `place` names the instance in the log.
    """

    def __init__(self, place: str, version: int = 0) -> None:
        self._place = place
        old = version and version * 10_000 < TRANSACTION_TIMEOUT_SINCE
        self._asked = {name: value for name, value in EVERY.items() if not (old and name == "transaction_timeout")}
        # By database, because its owner can make up what looks like a refusal, which then concerns nobody else.
        self._refused: dict[str, frozenset[str]] = {}

    def connected(self, database: str, connect: Callable[[str], Connection]) -> Connection:
        """What `connect` makes of our options; again without those that the server does not take.

        Whatever is refused is set in each transaction all the same (see session).

        Raises:
            psycopg.Error: there is no way in.
        """
        while True:
            try:
                connection = connect(self.options(database))
            except psycopg.Error as error:
                if not self._learned(database, str(error)):
                    raise
            else:
                connection.isolation_level = IsolationLevel.READ_COMMITTED
                connection.read_only = False
                return connection

    def options(self, database: str) -> str:
        """The options to ask for, as libpq's parameter of that name takes them."""
        refused = self._refused.get(database, frozenset())
        return " ".join(f"-c {name}={_escaped(value)}" for name, value in self._asked.items() if name not in refused)

    def _learned(self, database: str, said: str) -> bool:
        """Whether this was a refusal of something that can be left out next time."""
        before = self._refused.get(database, frozenset())
        found = _UNKNOWN.search(said)
        news = frozenset(self._asked if _POOLER in said else found.groups() if found else ()) & self._asked.keys()
        if not news - before:
            return False
        self._refused[database] = before | news
        what = "startup options" if _POOLER in said else ", ".join(sorted(news))
        text = "%s/%s refuses %s at login: set in each transaction instead, with qualified names"
        level = logging.INFO if news == {"transaction_timeout"} else logging.WARNING
        log.log(level, text, self._place, database, what)
        return True


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
