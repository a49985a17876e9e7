"""Every chain that was kept is ended by name, and one that is gone is only forgotten."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from e2e import keeping


def test_every_kept_chain_is_named_and_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chains = [sleeper("controlplane.sandbox") for _ in range(2)]
    for number, chain in enumerate(chains):
        (tmp_path / str(chain.pid)).write_text(f"chain {number}")
    (tmp_path / "999999999").write_text("chain of yesterday")

    status = ended(tmp_path, chains)

    said = capsys.readouterr().out
    assert status == 0
    assert all(f"chain {number} is gone" in said for number in range(2))
    assert "chain of yesterday is gone already" in said
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_no_chain_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stranger = sleeper("anything")
    (tmp_path / str(stranger.pid)).write_text("the chain before a restart")

    assert keeping.down(tmp_path) == 0
    assert stranger.poll() is None
    assert "is gone already" in capsys.readouterr().out
    stranger.kill()
    stranger.wait()


def test_no_chain_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keeping.down(tmp_path / "none") == 0
    assert capsys.readouterr().out == "down: no chain is running\n"


def sleeper(name: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", name])


def ended(records: Path, chains: "list[subprocess.Popen[bytes]]") -> int:
    """The status of `down`, while somebody reaps what ends, as a shell would."""
    threads = [threading.Thread(target=chain.wait) for chain in chains]
    for thread in threads:
        thread.start()
    status = keeping.down(records)
    for thread in threads:
        thread.join()
    return status
