"""`python -m controlplane up|down`: a control plane of one's own to try things on; no kubelet and no cloud."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from controlplane import binaries
from controlplane.binaries import CannotBuild, cache

STOP_SECONDS = 60.0
INTERRUPTED = 130
"""Exit status after a Ctrl-C before anything ran."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of one command."""
    parser = argparse.ArgumentParser(prog="controlplane", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start one, and stay until Ctrl-C or `down`")
    up.add_argument("--detach", action="store_true", help="return once it is ready")
    up.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; by default a free one")
    commands.add_parser("down", help="end it")
    commands.add_parser("inside", help=argparse.SUPPRESS)
    told = parser.parse_args(arguments)
    if told.command == "inside":
        return _inside()
    return _down() if told.command == "down" else _up(told.port, told.detach)


def _up(port: int, detach: bool) -> int:
    owner = _owner()
    if owner is not None:
        print(f"controlplane: one is up already (process {owner}); end it with `python -m controlplane down`")
        return 1
    try:
        binaries.ensure(lambda line: print(line, flush=True))
    except CannotBuild as error:
        print(f"controlplane: {error}", file=sys.stderr)
        return 1
    sandbox = [sys.executable, "-m", "controlplane.sandbox", "--forward", str(port)]
    command = [*sandbox, "--", sys.executable, "-m", "controlplane", "inside"]
    if not detach:
        # a Ctrl-C while the sandbox's Python starts waits until the sandbox takes it; the mask outlives exec
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.execv(sys.executable, command)
    return _detached(command)


def _detached(command: Sequence[str]) -> int:
    """Start it in a session of its own and pass on its first line, which says that it is ready or why not."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    print(line, end="", flush=True)
    return 0 if line else process.wait()


def _inside() -> int:
    """Run one in this sandbox; its imports take a second, in which a Ctrl-C must find somebody to catch it."""
    from controlplane import own

    return own.run(_record())


def _down() -> int:
    owner = _owner()
    if owner is None:
        print("controlplane: none is up")
        return 0
    os.kill(owner, signal.SIGTERM)
    end = time.monotonic() + STOP_SECONDS
    while _is_sandbox(owner):
        if time.monotonic() > end:
            print(f"controlplane: process {owner} did not end within {STOP_SECONDS:.0f} s", file=sys.stderr)
            return 1
        time.sleep(0.05)
    return 0


def _owner() -> int | None:
    """The recorded process, when it still is a sandbox of ours; None when none is up."""
    with suppress(OSError, ValueError):
        owner = int(_record().read_text())
        if _is_sandbox(owner):
            return owner
    return None


def _is_sandbox(pid: int) -> bool:
    process = Path(f"/proc/{pid}")
    with suppress(OSError):
        ours = process.stat().st_uid == os.geteuid()
        return ours and b"controlplane.sandbox" in (process / "cmdline").read_bytes()
    return False


def _record() -> Path:
    return cache(os.environ) / "run" / "controlplane.pid"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the interpreter's own end would tell of a second one
        sys.exit(INTERRUPTED)
