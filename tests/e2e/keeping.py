"""Chains that go on after the demo: how to reach one from other terminals, and how all are ended."""

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

RECORDS = ROOT / "build" / "kept-chains"
"""One file for each kept chain, named by the process that owns it; it holds what `make down` calls the chain."""
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
    RECORDS.mkdir(parents=True, exist_ok=True)
    record = RECORDS / os.environ["CHAIN_OWNER"]
    record.write_text(f"the chain on 127.0.0.1:{port}")
    note("the chain stays until Ctrl-C here or `make down`; in another terminal:")
    note(f"  export KUBECONFIG={kubeconfig} PATH={chain.binaries.kubectl.parent}:$PATH")
    for line in (
        "kubectl get csqli,csqlu,dbg -A",
        f"kubectl logs -n {TENANT} deploy/checkout -c app -f",
        f"kubectl describe csqlu -n {TENANT} checkout",
        f"kubectl exec -it -n {TENANT} deploy/checkout -c app -- psql",
        f"kubectl port-forward -n {TENANT} deploy/checkout 5432:5432",
        f"kubectl delete dbg -n {TENANT} checkout-reads-orders",
    ):
        note(f"  {line}")
    while not ended.wait(1.0):
        pass
    note("taking the chain down: its processes, its network and its files")
    record.unlink(missing_ok=True)


def down(records: Path = RECORDS) -> int:
    """End every chain that was kept, and return when they are gone; 0 also when there is none."""
    kept = sorted(records.glob("[0-9]*")) if records.exists() else []
    if not kept:
        print("down: no chain is running")
    return max([_end(record) for record in kept], default=0)


def _end(record: Path) -> int:
    pid, name = int(record.name), record.read_text()
    process = Path(f"/proc/{pid}")
    if not process.exists() or b"controlplane.sandbox" not in (process / "cmdline").read_bytes():
        record.unlink()
        print(f"down: {name} is gone already")
        return 0
    print(f"down: ending {name}, process {pid}", flush=True)
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + END_SECONDS
    while process.exists():
        if time.monotonic() > end:
            print(f"down: process {pid} did not end within {END_SECONDS:.0f} s", file=sys.stderr)
            return 1
        time.sleep(0.1)
    record.unlink(missing_ok=True)
    print(f"down: {name} is gone")
    return 0


if __name__ == "__main__":
    sys.exit(down())
