"""The first process inside the sandbox: starts the command, passes signals on, and reaps what loses its parent."""

import contextlib
import os
import signal
import sys


def main(command: list[str]) -> int:
    """The command's exit status; everything else inside ends with this process."""
    child = os.fork()
    if child == 0:
        os.execvp(command[0], command)
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda number, _: _kill(child, number))
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status) & 0xFF if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
