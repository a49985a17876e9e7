"""The first process inside the sandbox: starts the command, passes signals on, and reaps what loses its parent.

When it ends, the kernel ends everything else inside. It ends with its command, and when the sandbox's outer half dies.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from controlplane.addresses import API_SERVER

FROM_TERMINAL = 0x80
"""`si_code` of a signal that the kernel sent, as for a terminal's Ctrl-C, to every process of the foreground group.

Source: sigaction(2), SI_KERNEL
"""

SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
NO_LISTENER = -1
SHARED_MEMORY = Path("/dev/shm")
_MS_BIND = 0x1000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_OUTER_HALF_GONE = 137
_NOT_STARTED = 127


def main(lifeline: int, listener: int, command: Sequence[str]) -> int:
    """The command's exit status; 128 + N when signal N ended it.

    `lifeline` is a pipe whose other end only the outer half holds. `listener`, a listening socket of the host or
    NO_LISTENER, is relayed to the API server.
    """
    os.set_inheritable(lifeline, False)
    _own_shared_memory(Path(os.environ["CHAIN_DIR"]))
    _raise_loopback()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS | {signal.SIGCHLD})
    if listener != NO_LISTENER:
        _spawn([sys.executable, "-m", "controlplane.relay", str(listener), API_SERVER, "443"])
        os.close(listener)
    try:
        child = _spawn(command)
    except OSError as error:
        print(f"sandbox: {command[0]} cannot be started: {error.strerror}", file=sys.stderr)
        return _NOT_STARTED
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    return _tended(child)


def _own_shared_memory(directory: Path) -> None:
    """A private /dev/shm, so that what killed programs left there is gone too; `directory` stays reachable."""
    if not SHARED_MEMORY.is_dir():
        return
    kept = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    _mount("tmpfs", SHARED_MEMORY, "tmpfs", 0, "mode=1777")
    if directory.parent == SHARED_MEMORY:
        directory.mkdir(mode=0o711)
        _mount(f"/proc/self/fd/{kept}", directory, "", _MS_BIND, "")
    os.close(kept)


def _raise_loopback() -> None:
    """A new network namespace has its loopback down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def _mount(source: str, target: Path, kind: str, flags: int, data: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), bytes(target), kind.encode(), flags, data.encode()):
        number = ctypes.get_errno()
        raise OSError(number, f"mounting {source} failed: {os.strerror(number)}", str(target))


def _spawn(command: Sequence[str]) -> int:
    return os.posix_spawnp(command[0], list(command), os.environ, setsigmask=())


def _end_with(lifeline: int) -> None:
    """Wait until the outer half is gone, however it went; then end, and everything inside with us."""
    os.read(lifeline, 1)
    os._exit(_OUTER_HALF_GONE)


def _tended(child: int) -> int:
    while True:
        told = signal.sigwaitinfo(SIGNALS | {signal.SIGCHLD})
        if told.si_signo == signal.SIGCHLD:
            status = _reaped(child)
            if status is not None:
                return status
        elif told.si_code != FROM_TERMINAL:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, told.si_signo)


def _reaped(child: int) -> int | None:
    """Reap all that ended, as one SIGCHLD may stand for many; the child's exit status when it is among them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == 0:
            return None
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
