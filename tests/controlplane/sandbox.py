"""Runs a command in private network, process and mount namespaces, as root or as an ordinary user.

    python -m controlplane.sandbox [--forward PORT] -- COMMAND…

Nothing inside reaches the outside. When the command ends, or this program dies in any way, no process is left; the
directory that CHAIN_DIR names inside goes then too. With --forward the API server inside is reached on 127.0.0.1:PORT
of the host (0 picks one; CHAIN_FORWARD names it inside). CHAIN_OWNER is the process id, outside, of this program.
"""

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from controlplane import memory
from controlplane.init import FROM_TERMINAL, NO_LISTENER, SIGNALS

UNABLE = 3
"""Exit status when the machine does not allow private namespaces."""

_PREFIX = "chain-"
_NAMESPACES = ("--net", "--pid", "--fork", "--kill-child=SIGKILL", "--mount", "--mount-proc", "--propagation=private")
_AS_USER = ("--user", "--map-current-user", "--keep-caps")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command's exit status, or 3 when the machine allows no private namespaces."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forward", type=int, metavar="PORT", help="reach the API server on this port of the host")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    told = parser.parse_args(arguments)
    command = told.command[1:] if told.command[:1] == ["--"] else told.command
    if not command:
        parser.error("a command is needed: … -- COMMAND")
    obstacle = _obstacle()
    if obstacle:
        print(f"sandbox: {obstacle}", file=sys.stderr)
        return UNABLE
    with _directory() as directory, _listener(told.forward) as listener:
        return _inside(command, directory, listener)


def _inside(command: Sequence[str], directory: Path, listener: socket.socket | None) -> int:
    environment = {**os.environ, "CHAIN_DIR": str(directory), "CHAIN_OWNER": str(os.getpid())}
    lifeline, held = os.pipe()
    passed = [lifeline] if listener is None else [lifeline, listener.fileno()]
    if listener is not None:
        environment["CHAIN_FORWARD"] = str(listener.getsockname()[1])
    number = NO_LISTENER if listener is None else listener.fileno()
    init = [sys.executable, "-m", "controlplane.init", str(lifeline), str(number), *command]
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS | {signal.SIGCHLD})
    process = subprocess.Popen([*_unshare(), *init], env=environment, pass_fds=passed)
    os.close(lifeline)
    try:
        return _tended(process)
    finally:
        os.close(held)


def _tended(process: "subprocess.Popen[bytes]") -> int:
    """Pass signals on until it ends; the exit status. A terminal's Ctrl-C has reached the command by itself."""
    while (status := process.poll()) is None:
        told = signal.sigwaitinfo(SIGNALS | {signal.SIGCHLD})
        if told.si_signo != signal.SIGCHLD and told.si_code != FROM_TERMINAL:
            _pass_on(process, told.si_signo)
    return 128 - status if status < 0 else status


def _pass_on(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Signal the init inside: the child of `unshare`, which it may not have yet."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    with contextlib.suppress(OSError):
        while process.poll() is None:
            if init := children.read_text().split():
                os.kill(int(init[0]), number)
                return
            time.sleep(0.01)


def _unshare() -> list[str]:
    return ["unshare", *(() if os.geteuid() == 0 else _AS_USER), *_NAMESPACES, "--"]


def _obstacle() -> str:
    """What stands in the way of private namespaces, and what helps; "" when nothing does."""
    if not sys.platform.startswith("linux"):
        return f"{sys.platform} has no network namespaces; run this on Linux"
    if shutil.which("unshare") is None:
        return "the program unshare is missing; install util-linux"
    tried = subprocess.run([*_unshare(), "true"], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return ""
    said = " ".join(tried.stderr.split()) or f"exit status {tried.returncode}"
    if os.geteuid() == 0:
        return f"root may not make namespaces here ({said}); give the container CAP_SYS_ADMIN and an unmasked /proc"
    return (
        f"this user may not make namespaces here ({said}); run as root, or allow user namespaces: sysctl"
        " user.max_user_namespaces, kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0"
    )


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    """A short path that accounts without rights may pass through, removed afterwards."""
    parent = memory.fastest()
    _sweep(parent)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    with _locked(directory):
        directory.chmod(0o711)  # after the lock: the sweep looks at no other mode, and so at no directory without one
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove what a killed run of this user left: a directory whose lock nobody holds, in whatever namespace."""
    for directory in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if directory.stat().st_uid == os.geteuid() and directory.stat().st_mode & 0o777 == 0o711:
                with _locked(directory, fcntl.LOCK_NB):
                    shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _locked(directory: Path, how: int = 0) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _listener(port: int | None) -> Iterator[socket.socket | None]:
    if port is None:
        yield None
        return
    with socket.create_server(("127.0.0.1", port)) as listener:
        yield listener


if __name__ == "__main__":
    sys.exit(main())
