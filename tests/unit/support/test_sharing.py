"""Sessions that share files: real ones, side by side."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

PATIENCE = 120.0

SHARED = """
import os, pytest

def log(line):
    with open(os.environ["LOG"], "a") as file:
        file.write(f"{os.getpid()} {line}\\n")

@pytest.fixture(scope="session", autouse=True)
def session():
    log("begins")
    yield
    log("ends")

@pytest.fixture(scope="module", autouse=True)
def module(request):
    yield
    log(f"leaves {request.path.stem}")

@pytest.fixture(autouse=True)
def named(request):
    log(f"runs {request.path.stem} {request.node.name}")
"""
TESTS = """
import os, pathlib, time, pytest

@pytest.mark.parametrize("number", range(3))
def test(number):
    while pathlib.Path(os.environ["LOG"]).read_text().count("begins") < 2:
        time.sleep(0.01)
    assert pathlib.Path(__file__).stem != os.environ.get("FAILING")
"""
"""A session waits in its first test until the other has begun too."""


def run_both(place: Path, **environment: str) -> tuple[list[int], list[str]]:
    """Exit statuses of two sessions on four files, and what the two did in order."""
    for directory in ("taken", "files"):
        (place / directory).mkdir()
    (place / "files" / "conftest.py").write_text(SHARED)
    for name in "abcd":
        (place / "files" / f"test_{name}.py").write_text(TESTS)
    path = os.pathsep.join(filter(None, sys.path))
    told = {**os.environ, "PYTHONPATH": path, "LOG": str(place / "log"), **environment}
    options = ("-p", "no:cacheprovider", "-p", "support.sharing", "--taken", "taken")
    command = [sys.executable, "-m", "pytest", *options, "files"]
    both = [subprocess.Popen(command, cwd=place, env=told, stdout=subprocess.DEVNULL) for _ in range(2)]
    statuses = [one.wait(PATIENCE) for one in both]
    return statuses, (place / "log").read_text().splitlines()


def test_each_test_is_run_by_one_of_the_sessions_and_by_one_only(tmp_path: Path) -> None:
    statuses, log = run_both(tmp_path)

    assert statuses == [0, 0]
    ran = Counter(line.partition(" ")[2] for line in log if " runs " in line)
    assert ran == {f"runs test_{name} test[{number}]": 1 for name in "abcd" for number in range(3)}
    assert len({line.split()[0] for line in log}) == 2


def test_what_a_file_shares_is_left_with_it_and_what_a_session_shares_lasts(tmp_path: Path) -> None:
    _, log = run_both(tmp_path)

    for session in {line.split()[0] for line in log}:
        mine = [line.split()[1:] for line in log if line.startswith(f"{session} ")]
        assert [mine[0], mine[-1]] == [["begins"], ["ends"]]
        files = list(dict.fromkeys(words[1] for words in mine if words[0] == "runs"))
        assert mine[1:-1] == [
            words
            for name in files
            for words in (*(["runs", name, f"test[{number}]"] for number in range(3)), ["leaves", name])
        ]


def test_a_failure_in_one_session_is_told_by_its_exit_status(tmp_path: Path) -> None:
    statuses, _ = run_both(tmp_path, FAILING="test_c")

    assert sorted(statuses) == [0, 1]
