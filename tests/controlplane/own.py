"""The control plane of `python -m controlplane up`, inside its sandbox."""

import os
import signal
import sys
from pathlib import Path

from controlplane import binaries, network
from controlplane.plane import ADMIN, ControlPlane
from controlplane.processes import Died


def run(record: Path) -> int:
    """Run one in this sandbox until a signal comes; the exit status. `record` names the sandbox once it is ready."""
    directory = Path(os.environ["CHAIN_DIR"]) / "plane"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plane = ControlPlane(directory, binaries.ensure(lambda _: None))
    try:
        network.prepare()
        plane.start()
        plane.await_controllers()
        outside = f"https://127.0.0.1:{os.environ['CHAIN_FORWARD']}"
        kubeconfig = plane.kubeconfig(ADMIN, directory / "outside.kubeconfig", outside)
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(os.environ["CHAIN_OWNER"])
        print(f"export KUBECONFIG={kubeconfig}", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        return 0
    except Died as error:
        print(f"controlplane: {error}", file=sys.stderr)
        return 1
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):  # it is ending already
            signal.signal(number, signal.SIG_IGN)
        record.unlink(missing_ok=True)
        plane.stop()
    return 0
