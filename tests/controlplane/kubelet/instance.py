"""One run of one container: its process, its log, and how it ended."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from controlplane.kubelet.mounts import Etc, Mount

MESSAGE_BYTES = 4096
LOG_MESSAGE_BYTES, LOG_MESSAGE_LINES = 2048, 80
"""Kubernetes' limits of a termination message, and of one that is taken from the log."""


@dataclass(frozen=True, slots=True)
class Order:
    """Everything that a run needs: where it lives, what it sees, what it runs, and as whom (None: as the kubelet)."""

    sandbox: int
    hostname: str
    etc: Etc
    mounts: tuple[Mount, ...]
    command: tuple[str, ...]
    environment: dict[str, str]
    directory: str
    user: int | None
    group: int | None
    groups: tuple[int, ...]


class Instance:
    """A container's process, once its command runs. Start it in the thread that waits for it: both end together.

    `obstacle` says why there is no container, and is empty when there is one.
    """

    def __init__(self, order: Order, log: Path, message: Path) -> None:
        self.log = log
        self._message = message
        message.write_bytes(b"")
        message.chmod(0o666)
        self._root = Path(tempfile.mkdtemp(prefix="root-", dir=log.parent))
        self._spec = self._root.with_suffix(".json")
        reading, writing = os.pipe()
        self._spec.touch(0o600)
        self._spec.write_text(json.dumps(_plain(order, self._root, writing)))
        with log.open("ab") as out, os.fdopen(reading) as news:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-m", "controlplane.kubelet.container", str(self._spec)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PATH": os.defpath},
                pass_fds=[writing],
                start_new_session=True,
            )
            os.close(writing)
            # closed when the command takes over, or after a line on why it could not
            self.obstacle = news.read().strip()

    @property
    def pid(self) -> int:
        """The container's main process."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait(self) -> int:
        """Its exit code once it has ended, 128 + signal for a signal. Takes along what it left of its session."""
        status = self._process.wait()
        self.kill()
        self._spec.unlink(missing_ok=True)
        self._root.rmdir()
        return 128 - status if status < 0 else status

    def stop(self, grace: float) -> None:
        """Ask it to end, and kill it when it has not after `grace` seconds. Any thread may call this."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(max(grace, 0))
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it and all of its session at once."""
        self._signal_session(signal.SIGKILL)

    def message(self, code: int, logs_too: bool) -> str:
        """The termination message: the file's text, or the end of the log of a failure when that is wanted."""
        text = self._message.read_bytes()[:MESSAGE_BYTES].decode(errors="replace")
        return self.tail() if not text and code and logs_too else text

    def tail(self) -> str:
        """The end of the log, as short as a termination message must be."""
        data = self.log.read_bytes()[-LOG_MESSAGE_BYTES:].decode(errors="replace")
        return "".join(data.splitlines(keepends=True)[-LOG_MESSAGE_LINES:])

    def _signal_session(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            # gone; or only processes of other users are left, which end with the pod's network
            return


def _plain(order: Order, root: Path, news: int) -> dict[str, object]:
    mounts = [astuple(mount) for mount in order.mounts]
    return {**asdict(order), "mounts": mounts, "root": str(root), "news": news}
