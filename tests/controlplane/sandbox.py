"""Runs a command in private network, process and mount namespaces, as root or as an ordinary user.

    python -m controlplane.sandbox [--forward] -- COMMAND…

Nothing inside reaches the outside, and when the command ends, or this program is killed, no process is left. The
directory named by CHAIN_DIR inside is removed then too.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

UNABLE = 3
"""Exit status when the machine does not allow private namespaces."""

_PREFIX = "chain-"
_NAMESPACES = ("--net", "--pid", "--fork", "--kill-child=SIGKILL", "--mount", "--mount-proc")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command's exit status, or 3 when the machine allows no private namespaces."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forward", action="store_true", help="listen on the host's loopback for the API server")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    told = parser.parse_args(arguments)
    command = told.command[1:] if told.command[:1] == ["--"] else told.command
    obstacle = _obstacle()
    if obstacle:
        print(f"sandbox: {obstacle}", file=sys.stderr)
        return UNABLE
    with _directory() as directory, _listener(told.forward) as listener:
        return _inside(command, directory, listener)


def _inside(command: Sequence[str], directory: Path, listener: socket.socket | None) -> int:
    environment = {**os.environ, "CHAIN_DIR": str(directory)}
    if listener is not None:
        environment |= {"CHAIN_FORWARD": str(listener.getsockname()[1]), "CHAIN_LISTENER": str(listener.fileno())}
    init = [sys.executable, "-m", "controlplane.init", *command]
    process = subprocess.Popen(
        [*_unshare(), *init], env=environment, pass_fds=[listener.fileno()] if listener else [], start_new_session=False
    )
    for name in (signal.SIGINT, signal.SIGTERM):
        # the terminal sends SIGINT to the whole group, so the command has it already; SIGTERM comes to us alone
        signal.signal(name, lambda number, _: _pass_on(process, number))
    status = process.wait()
    return 128 - status if status < 0 else status


def _pass_on(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Signal the init inside: it is the child of unshare, which itself ignores what it gets while it waits."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        child = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
        os.kill(int(child), number)


def _unshare() -> list[str]:
    if os.geteuid() == 0:
        return ["unshare", *_NAMESPACES, "--propagation", "private"]
    return ["unshare", "--user", "--map-current-user", "--keep-caps", *_NAMESPACES, "--propagation", "private"]


def _obstacle() -> str:
    """What stands in the way of private namespaces; "" when nothing does."""
    if not sys.platform.startswith("linux"):
        return f"{sys.platform} has no network namespaces; run this on Linux"
    if shutil.which("unshare") is None:
        return "the program unshare is missing; install util-linux"
    tried = subprocess.run([*_unshare(), "true"], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return ""
    who = "root" if os.geteuid() == 0 else "this user"
    remedy = "give CAP_SYS_ADMIN" if os.geteuid() == 0 else "allow unprivileged user namespaces, or run as root"
    return f"{who} may not make namespaces here ({tried.stderr.strip()}); {remedy}"


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    parent = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())
    _sweep(parent)
    directory = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove what a killed run of this user left."""
    for stale in parent.glob(f"{_PREFIX}*-*"):
        owner = stale.name.removeprefix(_PREFIX).split("-")[0]
        with contextlib.suppress(OSError):
            if owner.isdecimal() and not Path(f"/proc/{owner}").exists() and stale.stat().st_uid == os.geteuid():
                shutil.rmtree(stale, ignore_errors=True)


@contextlib.contextmanager
def _listener(wanted: bool) -> Iterator[socket.socket | None]:
    if not wanted:
        yield None
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


if __name__ == "__main__":
    sys.exit(main())
