"""The private network: what the node and pods reach, and what they do not."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import IPRoute, NetNS

from controlplane import network
from controlplane.addresses import BRIDGE
from controlplane.network import PodNamespace, attach
from e2e.waiting import eventually

NODE_ADDRESSES = ("198.18.0.1", "198.19.0.1", "203.0.113.1", "169.254.169.254")

DIAL = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) as connection:
        print(connection.recv(100).decode())
except OSError as error:
    print(error.strerror)
"""
SERVE = """
import socket
with socket.create_server(("127.0.0.1", 5432)) as server:
    print("up", flush=True)
    while True:
        server.accept()[0].close()
"""

ATTACH = """
import signal
from controlplane.network import NoNamespace, attach
try:
    print(attach("198.18.7.4").pid, flush=True)
    signal.pause()
except NoNamespace as error:
    print(error)
"""


@pytest.fixture(autouse=True, scope="module")
def prepared() -> None:
    assert "CHAIN_DIR" in os.environ, "run this under `python -m controlplane.sandbox -- …`, as make does"
    network.prepare()


@pytest.fixture
def pod() -> Iterator[PodNamespace]:
    namespace = attach("198.18.7.1")
    yield namespace
    namespace.detach()


def dialled(pod: PodNamespace, address: str, port: int) -> str:
    """What a program in the pod reads from an address, or the error it gets."""
    command = [*pod.command_prefix(), sys.executable, "-c", DIAL, address, str(port)]
    return subprocess.check_output(command, text=True, timeout=120).strip()


@pytest.mark.parametrize("address", NODE_ADDRESSES)
def test_a_pod_reaches_the_node_which_sees_the_pods_address(pod: PodNamespace, address: str) -> None:
    with socket.create_server((address, 443)) as server:
        command = [*pod.command_prefix(), sys.executable, "-c", DIAL, address, "443"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
            connection, peer = server.accept()
            with connection:
                connection.sendall(b"hello")
            output = client.communicate(timeout=120)[0]

    assert (output.strip(), peer[0]) == ("hello", "198.18.7.1")


def test_the_node_reaches_an_address_that_was_added() -> None:
    network.add_address("203.0.113.44")
    network.add_address("203.0.113.44")

    with socket.create_server(("203.0.113.44", 3307)) as server:
        assert server.getsockname() == ("203.0.113.44", 3307)


@pytest.mark.parametrize("address", ["8.8.8.8", "10.0.0.1", "192.0.2.1"])
def test_all_else_fails_at_once(pod: PodNamespace, address: str) -> None:
    assert dialled(pod, address, 443) == "Network is unreachable"


def test_every_pod_has_a_loopback_of_its_own(pod: PodNamespace) -> None:
    other = attach("198.18.7.2")
    servers = [
        subprocess.Popen([*each.command_prefix(), sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True)
        for each in (pod, other)
    ]

    lines = [server.stdout.readline().strip() for server in servers if server.stdout]
    for server in servers:
        server.kill()
        server.communicate()
    other.detach()

    assert lines == ["up", "up"]


def test_an_address_can_be_used_again_at_once() -> None:
    first = attach("198.18.7.3")
    first.detach()

    second = attach("198.18.7.3")
    answer = dialled(second, "198.19.0.1", 9)
    second.detach()

    assert answer == "Connection refused"


def link_address(route: IPRoute, name: str) -> str:
    """The link address that the others keep in their caches for up to a minute."""
    return str(route.get_links(route.link_lookup(ifname=name)[0])[0].get_attr("IFLA_ADDRESS"))


def test_a_pod_that_comes_or_goes_cuts_nobody_off() -> None:
    with IPRoute() as node:
        alone = link_address(node, BRIDGE)
        pods = [attach(f"198.18.7.{number}") for number in range(10, 20)]
        among_pods = link_address(node, BRIDGE)
        for pod in pods:
            pod.detach()

        assert (alone, among_pods) == ("02:00:c6:12:00:01", "02:00:c6:12:00:01")


def test_who_takes_over_an_address_is_found_where_the_former_was() -> None:
    found = []
    for _ in range(2):
        pod = attach("198.18.7.3")
        with NetNS(f"/proc/{pod.pid}/ns/net") as inside:
            found.append(link_address(inside, "eth0"))
        pod.detach()

    assert found == ["02:00:c6:12:07:03", "02:00:c6:12:07:03"]


def test_a_namespace_goes_when_the_process_that_made_it_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", ATTACH], stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        pid = int(maker.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        maker.kill()

    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the pause process has ended")


def test_without_the_rights_the_error_says_where_to_run() -> None:
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]

    output = subprocess.check_output([*bare, sys.executable, "-c", ATTACH], text=True, timeout=120)

    assert output == (
        "a pod's network namespace: unshare: unshare failed: Operation not permitted;"
        " run this under `python -m controlplane.sandbox -- …`\n"
    )
