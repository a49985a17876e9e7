"""The private network in the kernel: bridge, addresses, a namespace per pod. Runs inside the sandbox only."""

import ctypes
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import IPRoute, NetNS

from controlplane.addresses import (
    API_SERVER,
    BRIDGE,
    GATEWAY,
    GOOGLE_APIS,
    GOOGLE_NETWORK,
    METADATA,
    POD_PREFIX,
    SERVICE_NETWORK,
)

PAUSE_SECONDS = 30.0
_PAUSE = ("unshare", "--net", "--", "sleep", "infinity")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def prepare() -> None:
    """Lay out the node's side: loopback, the bridge with its own address, and the addresses that parts listen on.

    Done once per sandbox; called again, it changes nothing.
    """
    with IPRoute() as ip:
        if ip.link_lookup(ifname=BRIDGE):
            return
        loopback = ip.link_lookup(ifname="lo")[0]
        ip.link("set", index=loopback, state="up")
        ip.link("add", ifname=BRIDGE, kind="bridge")
        bridge = ip.link_lookup(ifname=BRIDGE)[0]
        ip.addr("add", index=bridge, address=GATEWAY, prefixlen=POD_PREFIX)
        ip.link("set", index=bridge, state="up")
    for address in (API_SERVER, GOOGLE_APIS, METADATA):
        add_address(address)


def add_address(address: str) -> None:
    """Give the node one more address to listen on."""
    with IPRoute() as ip:
        ip.addr("add", index=ip.link_lookup(ifname="lo")[0], address=address, prefixlen=32)


@dataclass(frozen=True, slots=True)
class PodNamespace:
    """A pod's network namespace, kept alive by a pause process. `ip` is its address on the bridge."""

    process: "subprocess.Popen[bytes]"
    ip: str

    @property
    def pid(self) -> int:
        """The pause process, whose /proc/PID/ns/net is the namespace."""
        return self.process.pid

    def detach(self) -> None:
        """End the pause process; the namespace and its veth go with the last process inside."""
        self.process.kill()
        self.process.wait()


def attach(ip: str) -> PodNamespace:
    """A new network namespace on the bridge with this address, and routes to the chain's own networks only."""
    process = subprocess.Popen(_PAUSE, preexec_fn=_die_with_parent, stdin=subprocess.DEVNULL)  # noqa: PLW1509 - one call
    _until_own_namespace(process.pid)
    name = f"v{process.pid}"
    with IPRoute() as node:
        node.link("add", ifname=name, kind="veth", peer={"ifname": "eth0", "net_ns_pid": process.pid})
        bridge, veth = node.link_lookup(ifname=BRIDGE)[0], node.link_lookup(ifname=name)[0]
        node.link("set", index=veth, master=bridge, state="up")
    with NetNS(f"/proc/{process.pid}/ns/net") as pod:
        pod.link("set", index=pod.link_lookup(ifname="lo")[0], state="up")
        eth0 = pod.link_lookup(ifname="eth0")[0]
        pod.addr("add", index=eth0, address=ip, prefixlen=POD_PREFIX)
        pod.link("set", index=eth0, state="up")
        for network in (SERVICE_NETWORK, GOOGLE_NETWORK, f"{METADATA}/32"):
            pod.route("add", dst=network, gateway=GATEWAY)
    return PodNamespace(process, ip)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _until_own_namespace(pid: int) -> None:
    own, process = Path("/proc/self/ns/net").stat().st_ino, Path(f"/proc/{pid}")
    end = time.monotonic() + PAUSE_SECONDS
    while time.monotonic() < end:
        if (process / "ns/net").stat().st_ino != own and (process / "comm").read_text().strip() == "sleep":
            return
        time.sleep(0.005)
    raise TimeoutError(f"process {pid} did not enter a network namespace of its own")
