"""Turns itself into a container's process: `python -m controlplane.kubelet.container SPEC.json`.

Enters the pod's network namespace, makes a mount and a UTS namespace and the container's root, and runs the command.
Standard library only, and few modules: every container start pays for its imports. When the command cannot be run, the
reason is written to the file descriptor `news`, which the command itself does not inherit.
"""

import ctypes
import json
import os
import signal
import socket
import sys
from pathlib import Path

from controlplane.kubelet.mounts import Etc, Mount, enter

CANNOT_START = 128
_NEW_MOUNTS, _NEW_UTS, _NEW_NET = 0x00020000, 0x04000000, 0x40000000
_PARENT_DEATH_SIGNAL = 1

_libc = ctypes.CDLL(None, use_errno=True)


def main(path: str) -> int:
    """Only an exit status when the command could not be run; else the command takes this process over."""
    spec = json.loads(Path(path).read_text())
    os.set_inheritable(spec["news"], False)
    _libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    try:
        _isolate(spec["sandbox"], spec["hostname"])
        enter(Path(spec["root"]), Etc(**spec["etc"]), [Mount(*one) for one in spec["mounts"]])
        _become(spec["user"], spec["group"], spec["groups"])
        os.chdir(spec["directory"])
        _run(spec["command"], spec["environment"])
    except OSError as error:
        os.write(spec["news"], str(error).encode())
    return CANNOT_START


def _isolate(sandbox: int, hostname: str) -> None:
    with Path(f"/proc/{sandbox}/ns/net").open() as namespace:
        _check(_libc.setns(namespace.fileno(), _NEW_NET), f"entering the network of process {sandbox}")
    _check(_libc.unshare(_NEW_MOUNTS | _NEW_UTS), "unshare")
    socket.sethostname(hostname)


def _become(user: int | None, group: int | None, groups: list[int]) -> None:
    if user is None and group is None:
        return
    os.setgroups(groups)
    os.setgid(group or 0)
    os.setuid(user or 0)
    # changing the user clears it
    _libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _run(command: list[str], environment: dict[str, str]) -> None:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    # execvpe searches the new PATH, and names the file it did not find
    os.execvpe(command[0], command, environment)


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
