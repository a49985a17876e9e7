"""Passes through a real transaction pooler: locks, settings and pipelines hold, and nothing leaks to the next session.

Run by `make test-pooler`, where pgbouncer is; not by CI, which has none.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cloudsql_iam_operator.adapters.postgres.connect import plain
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import RoleEntry
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer, Passed
from support.granting.setting import Place, Setting
from support.granting.wording import NOTHING, key, on_database, on_schema, table, want

PROGRAM = "PGBOUNCER"
"""Environment variable that names the program where it is not on the path."""

LIMIT = 30.0
CONFIGURATION = """
[databases]
* = host={host} port={port} user=op
[pgbouncer]
listen_addr =
unix_socket_dir = {directory}
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 2
ignore_startup_parameters = extra_float_digits
logfile = {directory}/log
pidfile = {directory}/pid
"""


@pytest.fixture(scope="module")
def program() -> str:
    found = os.environ.get(PROGRAM) or shutil.which("pgbouncer")
    if not found:
        pytest.skip(f"pgbouncer is not on this machine: install its package, or name the program by {PROGRAM}")
    return found


@pytest.fixture
def pooled(program: str, tmp_path: Path) -> Iterator["Pooled"]:
    with Setting() as setting:
        place = setting.place()
        server = conninfo_to_dict(place.cluster.dsn("op", place.name))
        (tmp_path / "ini").write_text(
            CONFIGURATION.format(host=server["host"], port=server.get("port", 5432), directory=tmp_path)
        )
        # It refuses to run as root, as the server does.
        command = [program, str(tmp_path / "ini")]
        if os.getuid() == 0:
            servers = Path(place.cluster.directory, "data").stat()
            for path in (tmp_path, *tmp_path.parents[:2]):
                path.chmod(0o755)
            os.chown(tmp_path, servers.st_uid, servers.st_gid)
            command = ["setpriv", f"--reuid={servers.st_uid}", f"--regid={servers.st_gid}", "--clear-groups", *command]
        running = subprocess.Popen(command, env=dict(os.environ))
        try:
            yield Pooled(place, str(tmp_path))
        finally:
            running.terminate()
            running.wait(LIMIT)


class Pooled:
    """A place whose operator comes through the pooler."""

    def __init__(self, place: Place, directory: str) -> None:
        self.place = place
        self._directory = directory
        self.until_up()

    def dsn(self, database: str) -> str:
        return make_conninfo(host=self._directory, port=6432, user="op", dbname=database)

    def until_up(self) -> None:
        until = time.monotonic() + LIMIT
        while True:
            try:
                psycopg.connect(self.dsn(self.place.name)).close()
            except psycopg.OperationalError:
                assert time.monotonic() < until, "the pooler lets nobody in"
                time.sleep(0.05)
            else:
                return

    def run(self, wants: Mapping[Key, GrantWant], before: Passed | None = None) -> Passed:
        connect = plain(self.dsn)
        access = replace(self.place.access(), connect=connect)
        return run_pass(access, self.place.name, wants, {}, before.memory if before else None)

    def answer(self, wanted: GrantWant) -> GrantAnswer:
        answer = self.run({key("only"): wanted}).answers[key("only")]
        assert isinstance(answer, GrantAnswer), answer
        return answer


def test_grants_come_and_go_through_a_transaction_pooler(pooled: Pooled) -> None:
    pooled.place.sql("create role reader; grant reader to op with admin option")
    everything = want(table("SELECT"), on_schema("USAGE"), on_database("CREATE"), RoleEntry("reader", ("x",)))

    given = pooled.answer(everything)
    assert (given.problems, given.observed.missing) == ((), 0)
    gone = pooled.answer(GrantWant(NOTHING, given.ledger))

    assert (gone.problems, gone.ledger, pooled.place.acl("app.orders")) == ((), frozenset(), [])


def test_a_quiet_tick_finds_the_same_fingerprint_whatever_session_it_gets(pooled: Pooled) -> None:
    wanted = {key("only"): want(table("SELECT"))}
    pooled.run(wanted)
    settled = pooled.run(wanted)

    assert pooled.run(wanted, settled).memory is settled.memory


def test_no_setting_of_a_pass_is_left_for_the_next_session(pooled: Pooled) -> None:
    pooled.answer(want(table("SELECT")))

    for _ in range(4):
        with psycopg.connect(pooled.dsn(pooled.place.name), autocommit=True, prepare_threshold=None) as connection:
            left = connection.execute(
                "select current_user::text, current_setting('role'), current_setting('search_path'), "
                "current_setting('lock_timeout'), current_setting('statement_timeout'), "
                "(select count(*) from pg_locks where locktype = 'advisory')"
            ).fetchone()
        assert left == ("op", "none", '"$user", public', "0", "0", 0)


def test_passes_at_one_time_take_turns(pooled: Pooled) -> None:
    names = [f"member{number}" for number in range(6)]
    pooled.place.sql("".join(f"create role {name};" for name in names))

    with ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(lambda name: pooled.answer(want(table("SELECT", to=(name,)))), names))

    assert [answer.problems for answer in answers] == [()] * len(names)
    assert pooled.place.acl("app.orders") == [f"{name}=r/app_owner" for name in names]
