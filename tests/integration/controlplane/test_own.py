"""A control plane of one's own, `python -m controlplane up`, from a shell."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from controlplane import binaries

LIMIT = 240.0


def test_signals_at_any_time_end_it_without_a_traceback(tmp_path: Path) -> None:
    programs = binaries.ensure()
    named = {tool.variable: str(getattr(programs, tool.field)) for tool in binaries.TOOLS}
    environment = {**os.environ, **named, "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "controlplane", "up"]

    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ready = process.stdout.readline()
    while process.poll() is None:  # again and again, while it is shutting down
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)

    assert ready.startswith("export KUBECONFIG=")
    assert "Traceback" not in process.communicate()[1]


def test_a_control_plane_of_ones_own_comes_up_and_goes_down(tmp_path: Path) -> None:
    programs = binaries.ensure()
    named = {tool.variable: str(getattr(programs, tool.field)) for tool in binaries.TOOLS}
    environment = {**os.environ, **named, "XDG_CACHE_HOME": str(tmp_path)}

    def run(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "controlplane", *words]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=LIMIT, check=False)
        return done.returncode, done.stdout

    status, told = run("up", "--detach")
    kubeconfig = told.removeprefix("export KUBECONFIG=").strip()
    listed = subprocess.check_output(
        [programs.kubectl, "--kubeconfig", kubeconfig, "get", "serviceaccounts", "--output=name"], text=True
    )
    again = run("up", "--detach")
    down = run("down"), run("down")

    assert (status, listed) == (0, "serviceaccount/default\n")
    assert (again[0], "one is up already" in again[1]) == (1, True)
    assert down == ((0, ""), (0, "controlplane: none is up\n"))
    assert not Path(kubeconfig).exists()
    assert list((tmp_path / "cloudsql-iam-operator" / "run").iterdir()) == []
