"""Throw-away PostgreSQL clusters, as plain PostgreSQL as it gets; the layout of a Cloud SQL instance is in `postgres`.

Use it as `with Cluster() as cluster, psycopg.connect(cluster.dsn()) as connection: …`.
"""

import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

from cloudsql_emulator.installation import Installation, installation, run_directory, unprivileged_account

LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel's limit is 107, and lock files add some."""

START_LIMIT = 60.0
STOP_LIMIT = 15.0
"""Seconds after which an orderly stop turns into an immediate one."""

TRUST_EVERYONE = "local all all trust\nlocal replication all trust\n"
LOG_PREFIX = "user=%u db=%d pid=%p "

_LOGGED_STATEMENT = re.compile(
    r"^user=(?P<user>.*?) db=(?P<database>.*?) pid=\d+ LOG:  (?:statement|execute [^:]*): (?P<sql>.*)$"
)

_SETTINGS = {
    # Nothing here has to survive a crash, and a test waits for every write.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": LOG_PREFIX,
}


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that a client sent, as PostgreSQL logged it."""

    user: str
    database: str
    sql: str


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How a cluster differs from the usual.

    `binaries` is a directory with initdb and postgres, else the one that the tests install. `settings` are those of
    postgresql.conf. `log_statements` fills `Cluster.statements`. `hba` is a whole pg_hba.conf.
    """

    binaries: Path | None = None
    superuser: str = "postgres"
    settings: Mapping[str, str] | None = None
    log_statements: bool = False
    hba: str = TRUST_EVERYONE
    port: int = 5432


class Cluster:
    """One PostgreSQL server with a data directory of its own, reached over a Unix socket; gone with its files at stop.

    The socket's directory is closed to all but the account that runs PostgreSQL (and root).
    """

    def __init__(self, options: ClusterOptions | None = None) -> None:
        self.options = options or ClusterOptions()
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Make the data directory and run PostgreSQL until it answers.

        Raises:
            PostgresUnavailable: this machine cannot run it.
            RuntimeError: it ended or did not get ready; the message holds its log.
        """
        programs = installation(self.options.binaries)
        self._directory = _new_directory()
        try:
            programs.new_data_directory(self._data, self.options.superuser)
            (self._data / "pg_hba.conf").write_text(self.options.hba)
            self._process = self._run(programs)
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every session, stop PostgreSQL and remove its files; harmless when nothing runs."""
        if self._process is not None and self._process.poll() is None:
            _stop_process(self._process)
        self._process = None
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
        self._directory = None

    def restart_in_recovery(self) -> None:
        """Start again as a replica whose primary never speaks: it reads, and nothing can be written."""
        if self._process is not None:
            _stop_process(self._process)
        (self._data / "standby.signal").touch()
        self._process = self._run(installation(self.options.binaries))
        self._wait_until_ready(self._process)

    @property
    def directory(self) -> Path:
        """Where its data, log and socket are, while it runs."""
        if self._directory is None:
            raise RuntimeError("the cluster is not running; call start() or use it in a with statement")
        return self._directory

    @property
    def version(self) -> int:
        """Major version, such as 17."""
        return installation(self.options.binaries).version

    @property
    def socket_path(self) -> Path:
        """The Unix socket that PostgreSQL listens on."""
        return self.directory / f".s.PGSQL.{self.options.port}"

    def dsn(self, user: str | None = None, database: str = "postgres", password: str | None = None) -> str:
        """A connection string; the user is the superuser unless named."""
        return make_conninfo(
            host=str(self.directory),
            port=self.options.port,
            user=user or self.options.superuser,
            dbname=database,
            password=password,
        )

    def wal_position(self) -> str:
        """The write-ahead log's end, such as 0/1A2B3C0; equal before and after means that nothing was written."""
        with psycopg.connect(self.dsn()) as connection:
            row = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
        assert row is not None
        return str(row[0])

    def statements(self, since: int = 0) -> list[Statement]:
        """Every statement since the log had that size, oldest first; needs `log_statements`."""
        if not self.options.log_statements:
            raise RuntimeError("statements are not logged here; start the cluster with log_statements=True")
        return statements_in(self.log(since))

    def log(self, since: int = 0) -> str:
        """All that PostgreSQL printed since the log had that size."""
        with (self.directory / "log").open("rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def log_size(self) -> int:
        """The size of the log in bytes, for `since`."""
        return (self.directory / "log").stat().st_size

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _run(self, programs: Installation) -> subprocess.Popen[bytes]:
        settings = {
            **_SETTINGS,
            "port": str(self.options.port),
            "unix_socket_directories": str(self.directory),
            "log_statement": "all" if self.options.log_statements else "none",
            **(self.options.settings or {}),
        }
        argv = [programs.program("postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        with (self.directory / "log").open("wb") as log:
            return unprivileged_account().popen(argv, self.directory, log)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        limit = time.monotonic() + START_LIMIT
        while not self._is_ready():
            if process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"PostgreSQL did not get ready: {self.log()}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        # The eighth line of this file is what pg_ctl --wait reads.
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"


def _new_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="c", dir=run_directory()))
    if len(str(directory)) + len("/.s.PGSQL.65535") > LONGEST_SOCKET_PATH:
        raise RuntimeError(f"{directory} is too long for a Unix socket; name a shorter directory in CHAIN_DIR")
    unprivileged_account().own(directory)
    return directory


def _stop_process(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait(STOP_LIMIT)


def statements_in(log: str) -> list[Statement]:
    statements: list[Statement] = []
    continued = False
    for line in log.split("\n"):
        if continued and line.startswith("\t"):
            last = statements[-1]
            statements[-1] = Statement(last.user, last.database, f"{last.sql}\n{line[1:]}")
            continue
        found = _LOGGED_STATEMENT.match(line)
        continued = found is not None
        if found is not None:
            statements.append(Statement(found["user"], found["database"], found["sql"]))
    return statements
