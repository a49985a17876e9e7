"""Long-running programs: their ends are noticed, their logs are told, and none is left by a start that fails."""

import os
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from controlplane import binaries, network
from controlplane.plane import ControlPlane
from controlplane.processes import Died, Process


def started(script: str, directory: Path) -> Process:
    return Process("program", ["sh", "-c", script], directory / "program.log")


def test_a_program_that_ends_early_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    process = started("echo no disk left; exit 4", tmp_path)

    with pytest.raises(Died) as died:
        process.until(lambda: False, "it answers")

    assert str(died.value) == "program ended with 4 before it answers:\nno disk left\n"


def test_a_program_that_is_late_is_told_with_its_limit(tmp_path: Path) -> None:
    process = started("echo thinking; exec sleep 1000", tmp_path)

    with pytest.raises(Died, match=r"^program: it answers not within 0 s:"):
        process.until(lambda: False, "it answers", limit=0.2)
    process.stop()

    assert not process.alive()


def test_a_program_that_ignores_a_polite_end_is_killed(tmp_path: Path) -> None:
    process = started('trap "" TERM; echo up; while true; do sleep 0.1; done', tmp_path)
    process.until(lambda: "up" in process.tail(), "it is up")

    process.stop(limit=0.3)

    assert (process.alive(), process.rss()) == (False, 0)


def test_a_program_may_be_asked_with_another_signal(tmp_path: Path) -> None:
    process = started('trap "echo interrupted; exit 0" INT; echo up; while true; do sleep 0.1; done', tmp_path)
    process.until(lambda: "up" in process.tail(), "it is up")

    process.stop(signal.SIGINT)

    assert process.tail() == "up\ninterrupted\n"


def test_a_control_plane_that_cannot_start_leaves_no_process() -> None:
    network.prepare()
    directory = Path(tempfile.mkdtemp(prefix="plane-", dir=os.environ["CHAIN_DIR"]))
    broken = directory / "kube-apiserver"
    broken.write_text("#!/bin/sh\necho out of luck; exit 1\n")
    broken.chmod(0o755)
    plane = ControlPlane(directory / "files", replace(binaries.ensure(), kube_apiserver=broken))

    with pytest.raises(Died, match="kube-apiserver ended with 1 before it is ready:\nout of luck"):
        plane.start()

    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert not [line for line in lines if str(directory).encode() in line]
