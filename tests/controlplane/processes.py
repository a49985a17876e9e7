"""Long-running programs: started with a log, awaited with a limit, ended by their own process object."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

STOP_SECONDS = 30.0
TAIL = 3000


class Died(RuntimeError):
    """A program ended, or was not ready in time; the text holds the end of its log."""


class Process:
    """One program and its log, which is appended to. `environment` is all that the program sees; None is our own."""

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                [str(part) for part in command],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=None if environment is None else dict(environment),
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._popen.poll() is None

    def until(self, ready: Callable[[], bool], what: str, limit: float = 120.0) -> None:
        """Return once `ready` says so.

        Raises:
            Died: the program ended, or it took longer than `limit` seconds.
        """
        end = time.monotonic() + limit
        while not ready():
            if not self.alive():
                raise Died(f"{self.name} ended with {self._popen.returncode} before {what}:\n{self.tail()}")
            if time.monotonic() > end:
                raise Died(f"{self.name}: {what} not within {limit:.0f} s:\n{self.tail()}")
            time.sleep(0.05)

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-TAIL:]

    def rss(self) -> int:
        """Resident memory in bytes; 0 when it has ended."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0)

    def stop(self, number: signal.Signals = signal.SIGTERM, limit: float = STOP_SECONDS) -> None:
        """Ask it to end, and kill it when it has not after `limit` seconds. Nothing happens when it has ended."""
        if not self.alive():
            return
        self._popen.send_signal(number)
        try:
            self._popen.wait(limit)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
