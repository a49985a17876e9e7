"""The end of a container under the process kubelet: its preStop hook, its time to end, and what was asked twice."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from controlplane import network
from controlplane.kubelet.instance import Order
from controlplane.kubelet.lives import MINIMUM_GRACE_SECONDS, Life, Surroundings
from controlplane.kubelet.mounts import Etc
from controlplane.kubelet.podspec import Container, parse
from controlplane.kubelet.status import Record, Terminated
from controlplane.network import PodNamespace
from e2e.waiting import LIMIT, eventually

ADDRESS = "198.18.0.77"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
WRITES_ITS_END = (
    "trap 'cat /tmp/hook; sleep 0.5; echo done; exit 0' TERM; echo up; touch /tmp/up; while :; do sleep 0.1; done"
)
FAILS_ONCE_UP = "until test -e /tmp/up; do sleep 0.1; done; false"


@pytest.fixture
def namespace() -> Iterator[PodNamespace]:
    network.prepare()
    namespace = network.attach(ADDRESS)
    yield namespace
    namespace.detach()


def exec_of(script: str) -> dict[str, Any]:
    return {"exec": {"command": ["sh", "-c", script]}}


SLOW_HOOK = {"lifecycle": {"preStop": exec_of("sleep 600")}}
"""A hook that uses up any grace."""


def container(script: str, **more: object) -> Container:
    told = {"name": "main", "image": "shell:1", "args": [script], **more}
    spec = {"restartPolicy": "Never", "containers": [told]}
    return parse({"metadata": {"namespace": "orders", "name": "shop", "uid": "u"}, "spec": spec}).containers[0]


def life_of(
    of: Container,
    namespace: PodNamespace,
    directory: Path,
    hear: Callable[[str], None] = lambda reason: None,
    minimum: float = LIMIT,
) -> Life:
    """The container's life, once its process wrote the line `up`. `hear` is told the reasons of its Events.

    `minimum` is how many seconds it has to end when its hook used up all.
    """

    def order(one: Container, message: Path) -> Order:
        del message
        command = ("sh", "-c", *one.arguments)
        etc = Etc("127.0.0.1\tlocalhost\n", "", "")
        return Order(namespace.pid, "shop", etc, (), command, {"PATH": PATH}, "/", None, None, ())

    def say(kind: str, reason: str, message: str) -> None:
        del kind, message
        hear(reason)

    life = Life(of, Surroundings(ADDRESS, LIMIT, directory, order, lambda: None, say, minimum))
    life.start()
    eventually(lambda: life.log(0).exists() and "up\n" in life.log(0).read_text(), "the process has begun")
    return life


def ended(record: Record) -> tuple[int, str]:
    """Exit code and reason."""
    assert isinstance(record.state, Terminated), record
    return record.state.code, record.state.reason


def test_a_hook_that_uses_up_the_grace_leaves_time_to_end(namespace: PodNamespace, tmp_path: Path) -> None:
    ends = container("trap 'echo done; exit 0' TERM; echo up; while :; do sleep 0.1; done", **SLOW_HOOK)
    life = life_of(ends, namespace, tmp_path)

    life.stop(time.monotonic() + 1)

    assert ended(life.record) == (0, "Completed")
    assert life.log(0).read_text() == "up\ndone\n"


def test_a_deletion_that_comes_with_the_start_leaves_time_to_end(namespace: PodNamespace, tmp_path: Path) -> None:
    stopped = threading.Event()

    def hear(reason: str) -> None:
        if reason == "Started":
            assert stopped.wait(LIMIT)
        elif reason == "Killing":
            stopped.set()

    ends = container("trap 'sleep 0.5; echo done; exit 0' TERM; echo up; while :; do sleep 0.1; done")
    life = life_of(ends, namespace, tmp_path, hear)

    life.stop(time.monotonic() + LIMIT)

    assert ended(life.record) == (0, "Completed")


def test_a_process_that_ignores_its_end_is_killed_two_seconds_after_its_hook(
    namespace: PodNamespace, tmp_path: Path
) -> None:
    deaf = container("trap '' TERM; echo up; sleep 600", **SLOW_HOOK)
    life = life_of(deaf, namespace, tmp_path, minimum=MINIMUM_GRACE_SECONDS)
    began = time.monotonic()

    life.stop(began + 1)

    assert ended(life.record) == (137, "Error")
    assert time.monotonic() - began >= 3


@pytest.mark.parametrize("probe", ["livenessProbe", "startupProbe"])
def test_the_hook_of_a_container_that_a_probe_ends_is_run_first(
    namespace: PodNamespace, tmp_path: Path, probe: str
) -> None:
    hook = exec_of("echo hooked > /tmp/hook")
    failing: dict[str, Any] = {**exec_of(FAILS_ONCE_UP), "failureThreshold": 1, "timeoutSeconds": 60}
    sick = container(WRITES_ITS_END, lifecycle={"preStop": hook}, **{probe: failing})

    life = life_of(sick, namespace, tmp_path)

    eventually(life.over.is_set, "the container was ended")
    assert ended(life.record) == (0, "Completed")
    assert life.log(0).read_text() == "up\nhooked\ndone\n"


def test_a_container_that_fails_after_its_start_may_end_in_its_own_time(
    namespace: PodNamespace, tmp_path: Path
) -> None:
    hooks = {"postStart": exec_of(FAILS_ONCE_UP), "preStop": exec_of("echo hooked > /tmp/hook")}

    life = life_of(container(WRITES_ITS_END, lifecycle=hooks), namespace, tmp_path)

    eventually(life.over.is_set, "the container was ended")
    assert ended(life.record) == (0, "Completed")
    assert life.log(0).read_text() == "up\nhooked\ndone\n"


def test_the_hook_runs_once_when_a_probe_and_a_deletion_end_the_container(
    namespace: PodNamespace, tmp_path: Path
) -> None:
    hook = exec_of("echo hooked >> /tmp/hook; sleep 2")
    failing: dict[str, Any] = {**exec_of(FAILS_ONCE_UP), "failureThreshold": 1, "timeoutSeconds": 60}
    sick = container(WRITES_ITS_END, lifecycle={"preStop": hook}, livenessProbe=failing)
    said: list[str] = []
    life = life_of(sick, namespace, tmp_path, said.append)
    eventually(lambda: "Killing" in said, "the probe has ended it")

    life.stop(time.monotonic() + LIMIT)

    assert ended(life.record) == (0, "Completed")
    assert life.log(0).read_text() == "up\nhooked\ndone\n"
