"""The private network in the kernel: bridge, addresses, a namespace per pod. Runs inside the sandbox only."""

import subprocess
from dataclasses import dataclass

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

_PAUSE = ("unshare", "--net", "--", "cat")
"""Echoes once it has a namespace of its own; ends when the pipe to it closes, and so with the process that made it."""


class NoNamespace(RuntimeError):
    """The kernel refused a network namespace; the text is what `unshare` said."""


def prepare() -> None:
    """Lay out the node's side: loopback, the bridge with its own address, and the addresses that parts listen on.

    Called again, it changes nothing.
    """
    with IPRoute() as ip:
        if ip.link_lookup(ifname=BRIDGE):
            return
        ip.link("set", index=_index(ip, "lo"), state="up")
        # left to itself a bridge takes the lowest address of its ports: pods that come and go would cut the others off
        ip.link("add", ifname=BRIDGE, kind="bridge", address=_mac(GATEWAY))
        bridge = _index(ip, BRIDGE)
        ip.addr("add", index=bridge, address=GATEWAY, prefixlen=POD_PREFIX)
        ip.link("set", index=bridge, state="up")
    for address in (API_SERVER, GOOGLE_APIS, METADATA):
        add_address(address)


def add_address(address: str) -> None:
    """Give the node one more address to listen on. An address that it has already stays as it is."""
    with IPRoute() as ip:
        ip.addr("replace", index=_index(ip, "lo"), address=address, prefixlen=32)


@dataclass(frozen=True, slots=True)
class PodNamespace:
    """A pod's network namespace, kept alive by a pause process. `ip` is its address on the bridge."""

    process: "subprocess.Popen[bytes]"
    ip: str

    @property
    def pid(self) -> int:
        """The pause process, whose /proc/PID/ns/net is the namespace."""
        return self.process.pid

    def command_prefix(self) -> list[str]:
        """What to put before a command so that it runs in this network."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--"]

    def detach(self) -> None:
        """Cut the namespace off at once and end the pause process; the namespace goes with the last process inside."""
        with IPRoute() as node:
            for index in node.link_lookup(ifname=_veth(self.pid)):
                node.link("del", index=index)
        self.process.kill()
        self.process.communicate()


def attach(ip: str) -> PodNamespace:
    """A new network namespace on the bridge with this address, and routes to the chain's own networks only.

    Raises:
        NoNamespace: this process lacks the rights; it is not in a sandbox.
    """
    pause = subprocess.Popen(_PAUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    namespace = PodNamespace(pause, ip)
    try:
        _await_echo(pause)
        _plug(namespace)
        _address(namespace)
    except BaseException:  # Ctrl-C too: no pause process without an owner
        namespace.detach()
        raise
    return namespace


def _await_echo(pause: "subprocess.Popen[bytes]") -> None:
    assert pause.stdin is not None
    assert pause.stdout is not None
    assert pause.stderr is not None
    try:
        pause.stdin.write(b"\n")
        pause.stdin.flush()
        echoed = pause.stdout.readline()
    except BrokenPipeError:
        echoed = b""
    if not echoed:
        said = pause.stderr.read().decode(errors="replace").strip()
        raise NoNamespace(f"a pod's network namespace: {said}; run this under `python -m controlplane.sandbox -- …`")


def _plug(namespace: PodNamespace) -> None:
    name = _veth(namespace.pid)
    with IPRoute() as node:
        peer = {"ifname": "eth0", "net_ns_pid": namespace.pid, "address": _mac(namespace.ip)}
        node.link("add", ifname=name, kind="veth", peer=peer)
        node.link("set", index=_index(node, name), master=_index(node, BRIDGE), state="up")


def _address(namespace: PodNamespace) -> None:
    with NetNS(f"/proc/{namespace.pid}/ns/net") as pod:
        pod.link("set", index=_index(pod, "lo"), state="up")
        eth0 = _index(pod, "eth0")
        pod.addr("add", index=eth0, address=namespace.ip, prefixlen=POD_PREFIX)
        pod.link("set", index=eth0, state="up")
        for network in (SERVICE_NETWORK, GOOGLE_NETWORK, f"{METADATA}/32"):
            pod.route("add", dst=network, gateway=GATEWAY)


def _veth(pid: int) -> str:
    return f"v{pid}"


def _mac(ip: str) -> str:
    """A link address of our own for an IPv4 address: who takes over an IP is found under the same one."""
    return ":".join(["02", "00", *(f"{int(part):02x}" for part in ip.split("."))])


def _index(route: IPRoute, name: str) -> int:
    index: int = route.link_lookup(ifname=name)[0]
    return index
