"""A chain that goes on after the demo: how to reach it from other terminals, and how it is ended."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from controlplane.plane import ADMIN
from e2e.chain import ROOT, Chain
from e2e.scenes import TENANT

_RECORD = ROOT / "build" / "kept-chain.pid"
END_SECONDS = 120.0


def wait(chain: Chain, note: Callable[[str], None]) -> None:
    """Print how to use the chain from outside, and return when somebody wants it ended."""
    port = os.environ.get("CHAIN_FORWARD")
    if port is None:
        raise RuntimeError("the sandbox was not asked to forward: run `make demo KEEP=1`")
    ended = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ended.set())
    kubeconfig = chain.plane.kubeconfig(ADMIN, chain.directory / "outside.kubeconfig", f"https://127.0.0.1:{port}")
    _RECORD.parent.mkdir(exist_ok=True)
    _RECORD.write_text(os.environ["CHAIN_OWNER"])
    note(f"the chain stays until Ctrl-C here or `make down`:  export KUBECONFIG={kubeconfig}")
    for line in (
        "kubectl get csqli,csqlu,dbg -A",
        f"kubectl logs -n {TENANT} deploy/checkout -c app -f",
        f"kubectl describe csqlu -n {TENANT} checkout",
        f"kubectl delete dbg -n {TENANT} checkout-reads-orders",
    ):
        note(f"  {line}")
    while not ended.wait(1.0):
        pass
    _RECORD.unlink(missing_ok=True)


def down() -> int:
    """End a chain that was kept, and return when it is gone; 0 also when there is none."""
    if not _RECORD.exists():
        print("down: no chain is running")
        return 0
    pid = int(_RECORD.read_text())
    process = Path(f"/proc/{pid}")
    if not process.exists() or b"controlplane.sandbox" not in (process / "cmdline").read_bytes():
        _RECORD.unlink()
        print("down: the chain is gone already")
        return 0
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + END_SECONDS
    while process.exists():
        if time.monotonic() > end:
            print(f"down: process {pid} did not end within {END_SECONDS:.0f} s", file=sys.stderr)
            return 1
        time.sleep(0.1)
    _RECORD.unlink(missing_ok=True)
    print("down: the chain is gone")
    return 0


if __name__ == "__main__":
    sys.exit(down())
