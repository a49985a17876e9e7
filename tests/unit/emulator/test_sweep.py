import os
import time
from pathlib import Path

import pytest

from cloudsql_emulator.installation import claim, sweep


def left(parent: Path, name: str, age: float = 120.0) -> Path:
    """A directory that a process claimed before it was killed."""
    directory = parent / name
    directory.mkdir()
    os.close(claim(directory))
    os.utime(directory, (time.time() - age, time.time() - age))
    return directory


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    directory = left(tmp_path, "pgdead")

    sweep(tmp_path)

    assert not directory.exists()


def test_a_directory_that_a_live_run_holds_stays(tmp_path: Path) -> None:
    directory = left(tmp_path, "pglive")
    held = claim(directory)

    sweep(tmp_path)

    os.close(held)
    assert directory.exists()


def test_a_directory_whose_server_still_runs_stays(tmp_path: Path) -> None:
    directory = left(tmp_path, "pgserver")
    (directory / "c1" / "data").mkdir(parents=True)
    (directory / "c1" / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n/data\n")
    os.utime(directory, (0, 0))

    sweep(tmp_path)

    assert directory.exists()


@pytest.mark.parametrize(("name", "age"), [("pgyoung", 5.0), ("other", 120.0)])
def test_a_young_directory_and_one_of_another_name_stay(tmp_path: Path, name: str, age: float) -> None:
    directory = left(tmp_path, name, age)

    sweep(tmp_path)

    assert directory.exists()


def test_a_directory_that_nobody_ever_claimed_stays(tmp_path: Path) -> None:
    directory = tmp_path / "pgstrange"
    directory.mkdir()
    os.utime(directory, (0, 0))

    sweep(tmp_path)

    assert directory.exists()
