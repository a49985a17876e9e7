"""pgroles, the engine most like ours, on the same database: found in the user cache or installed, and measured.

`python -m benchmarks.peers` finds or installs it; that needs the network, which a benchmark in the sandbox has not.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlencode

from benchmarks import ground
from benchmarks.figures import Figure, median
from controlplane.binaries import cache
from controlplane.golang import Environment
from support.granting.setting import Place

VERSION = "0.15.0"
PEER = f"peer, pgroles {VERSION}"
REPEATS = 3


class NoPeer(Exception):
    """The peer is not there and cannot be installed, or it did not do what was to be measured."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the program: seconds, the most MiB it was resident, the statements that it printed.

    The kernel counts what a child was before exec, too: the memory is never less than that of this process.
    """

    seconds: float
    peak: float
    statements: int


def asked(environment: Environment) -> bool:
    """Whether PEERS=1 asks for the peer."""
    return environment.get("PEERS") == "1"


def program(environment: Environment) -> Path:
    """Where the user cache holds the peer, whether it is there or not."""
    return _root(environment) / "bin" / "pgroles"


def compared(place: Place, ours: Sequence[Figure]) -> Sequence[Figure]:
    """The peer's figures on a database that has all grants, and its time over that in our figures.

    It works as the superuser and only adds: what it cannot declare stays, and a pass has nothing to do.

    Raises:
        NoPeer: it is not installed, it failed, or it saw something to do where there was nothing.
    """
    values = {one.what: one.value for one in ours}
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder, "policy.json")
        grants = _grants()
        policy.write_text(json.dumps({"roles": _roles(), "grants": grants}))
        return [
            Figure(f"{PEER}, entries declared", len(grants), "entries"),
            *_quiet(place, policy, values["full pass, nothing to do"]),
            *_one_new_table(place, policy, values["one new table under a wildcard"]),
        ]


def _quiet(place: Place, policy: Path, ours: float) -> Sequence[Figure]:
    runs = [_run(place, policy, "diff") for _ in range(REPEATS)]
    if any(run.statements for run in runs):
        raise NoPeer(f"{PEER}: diff planned {runs[0].statements} statements on a database that has all grants")
    seconds = median([run.seconds for run in runs])
    return [
        Figure(f"{PEER}, full pass, nothing to do", seconds, "s"),
        Figure(f"{PEER}, full pass, memory of the process", max(run.peak for run in runs), "MiB"),
        Figure(f"{PEER}, full pass, peer's time over ours", seconds / ours, "times"),
    ]


def _one_new_table(place: Place, policy: Path, ours: float) -> Sequence[Figure]:
    measured = [_granted(place, policy, f"peered{number}") for number in range(REPEATS)]
    seconds = median([run.seconds for _, run, _ in measured])
    return [
        Figure(f"{PEER}, one new table under a wildcard", seconds, "s"),
        Figure(f"{PEER}, one new table, statements planned, most", max(plan.statements for plan, _, _ in measured), ""),
        Figure(f"{PEER}, one new table, WAL, most", max(wal for _, _, wal in measured) / 1000, "kB"),
        Figure(f"{PEER}, one new table, memory of the process", max(run.peak for _, run, _ in measured), "MiB"),
        Figure(f"{PEER}, one new table, peer's time over ours", seconds / ours, "times"),
    ]


def _granted(place: Place, policy: Path, table: str) -> tuple[Run, Run, int]:
    """The plan for a new table, the run that carries it out, and its bytes of write-ahead log."""
    place.sql(f"set role app_owner; create table s7.{table} (id int)")
    plan = _run(place, policy, "diff")
    before = _written(place)
    run = _run(place, policy, "apply")
    wal = _written(place) - before
    if len(place.acl(f"s7.{table}")) != ground.GRANTEES:
        raise NoPeer(f"{PEER}: apply did not grant the new table s7.{table} to all who were to have it")
    return plan, run, wal


def _written(place: Place) -> int:
    return int(place.value("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))


def _run(place: Place, policy: Path, command: str) -> Run:
    """Run `diff` or `apply`; its address comes by the environment, as it would hold the password."""
    options = ["--no-exit-code", "--format", "sql"] if command == "diff" else []
    arguments = [str(_installed(os.environ)), command, "--mode", "additive", "--file", str(policy), *options]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            arguments, stdout=output, stderr=errors, env={**os.environ, "DATABASE_URL": _url(place)}
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise NoPeer(f"{PEER}: {command} ended with {process.returncode}: {_text(errors)[-600:]}")
        return Run(seconds, usage.ru_maxrss / 1024, _statements(_text(output)))


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def _statements(printed: str) -> int:
    return sum(line.startswith(("GRANT ", "REVOKE ", "ALTER ", "CREATE ", "DROP ")) for line in printed.splitlines())


def _url(place: Place) -> str:
    options = place.cluster.options
    told = {"host": str(place.cluster.socket_path.parent), "port": str(options.port), "user": options.superuser}
    return f"postgresql:///{place.name}?{urlencode(told)}"


def _roles() -> list[dict[str, object]]:
    """Roles that somebody else keeps: it only grants to them."""
    return [{"name": f"r{number}", "external": True} for number in range(1, ground.ROLES + 1)]


def _grants() -> list[dict[str, object]]:
    """Two kinds of our five for each schema and grantee, as it refuses more than 4,096 entries."""
    return [
        grant
        for number in range(1, ground.SCHEMAS + 1)
        for role in ground.grantees(number)
        for grant in _of_schema(f"s{number}", role)
    ]


def _of_schema(schema: str, role: str) -> Sequence[dict[str, object]]:
    rights = ["DELETE", "INSERT", "SELECT", "UPDATE"]
    return (
        {"role": role, "privileges": ["USAGE"], "object": {"type": "schema", "name": schema}},
        {"role": role, "privileges": rights, "object": {"type": "table", "schema": schema, "name": "*"}},
    )


def _root(environment: Environment) -> Path:
    return cache(environment) / "peers" / f"pgroles-{VERSION}"


def _installed(environment: Environment) -> Path:
    path = program(environment)
    if not os.access(path, os.X_OK):
        raise NoPeer(f"{PEER}: {path} is not there; `make bench PEERS=1` installs it")
    return path


def _install(environment: Environment) -> None:
    cargo = shutil.which("cargo", path=environment.get("PATH"))
    if cargo is None:
        raise NoPeer(f"{PEER}: there is no cargo on the PATH to install it with; install Rust, or leave PEERS=1 out")
    print(f"peers: installing pgroles-cli {VERSION} once; some minutes on two cores", file=sys.stderr, flush=True)
    told = [cargo, "install", "pgroles-cli", "--version", VERSION, "--locked", "--root", str(_root(environment))]
    if subprocess.run(told, env=dict(environment), check=False).returncode:
        raise NoPeer(f"{PEER}: cargo could not install it; what it says is above")


def main() -> int:
    """Find or install the peer; says nothing when it is there."""
    try:
        if not program(os.environ).exists():
            _install(os.environ)
    except NoPeer as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
