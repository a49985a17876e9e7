"""Operators by the dozen: one process imports the program once, and each line on its input forks one that runs it.

What it answers to each is a process id. Its environment is theirs, its error output too.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import cloudsql_iam_operator.handlers.run  # the work of a start that each child is spared
from cloudsql_iam_operator.__main__ import main


class Nursery:
    """The process that forks. Ended by `close`, or when this process ends."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "chaos.nursery"],
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                text=True,
            )

    def operator(self) -> int:
        """Start one; its process id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print("run", file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it; what it forked goes on."""
        self._process.communicate()


def alive(pid: int) -> bool:
    """Whether a process still runs, or a thread of it does: its ports are free when the last has ended."""
    return Path(f"/proc/{pid}").exists()


def _run() -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDWR), sys.stdin.fileno())
    os.dup2(sys.stdin.fileno(), sys.stdout.fileno())
    return main(["run"])


def _serve() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are nobody's to wait for
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os._exit(_run())
        print(pid, flush=True)


if __name__ == "__main__":
    assert cloudsql_iam_operator.handlers.run is not None
    _serve()
