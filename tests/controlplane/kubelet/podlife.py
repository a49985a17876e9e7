"""The life of one pod: sandbox, volumes, init containers and sidecars in order, containers, and the way back."""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import urllib3

from controlplane import network
from controlplane.kubelet.api import Api, Refused
from controlplane.kubelet.environment import Missing, Place
from controlplane.kubelet.events import Events, Kind
from controlplane.kubelet.lives import Life, Surroundings
from controlplane.kubelet.node import now
from controlplane.kubelet.podspec import Container, Pod, unsupported
from controlplane.kubelet.reporting import Reporter
from controlplane.kubelet.sandboxes import Addresses, Orders, end_all_within
from controlplane.kubelet.settings import Settings
from controlplane.kubelet.status import Moment, Record, Terminated, Waiting
from controlplane.kubelet.volumes import Volumes, objects

REFRESH_SECONDS = 5.0
RETRY_SECONDS = 1.0
_log = logging.getLogger("kubelet")
_DEADLINE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


@dataclass(frozen=True, slots=True)
class Node:
    """What all pods of this kubelet share."""

    api: Api
    settings: Settings
    events: Events
    addresses: Addresses


class PodLife:
    """One pod on this node, in a thread of its own. `over` is set when nothing of it is left here."""

    def __init__(self, node: Node, pod: Pod) -> None:
        self.pod = pod
        self.over = threading.Event()
        self.lives: dict[str, Life] = {}
        self._node = node
        self._directory = node.settings.directory / "pods" / pod.uid
        self._changed = threading.Condition()
        self._ends_at: float | None = None
        self._verdict: tuple[str, str] | None = None
        self._waiting = Waiting("ContainerCreating")
        self._ip = ""
        # as it was said before: a kubelet that is started again does not begin a pod anew
        self._began: str = pod.told.get("status", {}).get("startTime") or now()
        self._reporter = Reporter(node.api, pod, self._moment)
        self._thread = threading.Thread(target=self._live, name=f"pod-{pod.name}", daemon=True)

    def start(self) -> None:
        """Run it."""
        self._thread.start()

    def update(self, pod: Pod) -> None:
        """Take in what the API server says now; a pod that is being deleted begins to end."""
        new = set(unsupported(pod)) - set(unsupported(self.pod))
        self.pod = pod
        for obstacle in new:
            self._say("Warning", "Unsupported", obstacle)
        meta = pod.told["metadata"]
        if meta.get("deletionTimestamp"):
            self.end(float(meta.get("deletionGracePeriodSeconds", pod.grace)))

    def end(self, grace: float) -> None:
        """End it within `grace` seconds; a later call can only make that shorter."""
        until = time.monotonic() + grace
        with self._changed:
            earlier = self._ends_at
            self._ends_at = until if earlier is None else min(until, earlier)
            self._changed.notify_all()
        if earlier is not None and until < earlier - 1:
            hurry = threading.Timer(grace, self._kill_all)
            hurry.daemon = True
            hurry.start()

    def _kill_all(self) -> None:
        for life in tuple(self.lives.values()):
            life.kill()

    def _live(self) -> None:
        self._reporter.start()
        obstacles = list(unsupported(self.pod))
        if obstacles:
            self._refuse(obstacles)
        else:
            try:
                self._in_sandbox()
            except Exception as error:  # noqa: BLE001 - one pod's trouble is told in its Events, and is not the node's
                _log.exception("%s failed", self.pod)
                self._say("Warning", "FailedCreatePodSandBox", f"{type(error).__name__}: {error}")
        with self._changed:
            self._changed.wait_for(self._ending)
        self._reporter.stop()
        self._delete()
        shutil.rmtree(self._directory, ignore_errors=True)
        self.over.set()

    def _refuse(self, obstacles: list[str]) -> None:
        for obstacle in obstacles:
            self._say("Warning", "Unsupported", obstacle)
        self._waiting = Waiting("Unsupported", "; ".join(obstacles))
        self._reporter.changed()

    def _in_sandbox(self) -> None:
        with ExitStack() as taken:
            taken.callback(self._reporter.flush)
            ip = self._node.addresses.take()
            taken.callback(self._node.addresses.give_back, ip)
            namespace = network.attach(ip)
            place = Place(self.pod, ip, objects(self._node.api, self.pod.namespace))
            volumes = Volumes(self._node.api.post, place, self._directory / "volumes")
            taken.callback(volumes.remove)
            taken.callback(end_all_within, namespace)
            taken.callback(self._stop_all)
            self._ip = ip
            self._reporter.flush()
            if self._mounted(volumes):
                orders = Orders(self._node.settings, namespace, volumes)
                self._run(self._surroundings(place, orders), volumes)

    def _surroundings(self, place: Place, orders: Orders) -> Callable[[Container], Surroundings]:
        return lambda container: Surroundings(
            ip=place.ip,
            grace=float(self.pod.grace),
            directory=self._directory / "containers" / container.name,
            order=lambda one, message: orders.order(place, one, message),
            changed=self._note,
            say=self._say,
        )

    def _mounted(self, volumes: Volumes) -> bool:
        """Write the volumes, waiting for what they need; False when the pod ended meanwhile."""
        while not self._leaving():
            try:
                volumes.refresh(self.pod)
            except (Missing, Refused, urllib3.exceptions.HTTPError) as obstacle:
                self._say("Warning", "FailedMount", str(obstacle))
                self._until(lambda: False, RETRY_SECONDS)
            else:
                return True
        return False

    def _run(self, around: Callable[[Container], Surroundings], volumes: Volumes) -> None:
        self._waiting = Waiting("PodInitializing")
        for container in self.pod.initial:
            life = self._start(container, around)
            if container.sidecar:
                self._until(lambda one=life: one.record.started)  # type: ignore[misc]  # the loop's own
            else:
                self._until(life.over.is_set)
            if self._leaving() or _failed(life):
                return
        for container in self.pod.containers:
            self._start(container, around)
        self._keep(volumes)

    def _keep(self, volumes: Volumes) -> None:
        """Until every container is over: keep the volumes fresh."""
        apps = [self.lives[one.name] for one in self.pod.containers]
        while not self._until(lambda: all(app.over.is_set() for app in apps), REFRESH_SECONDS):
            if self._leaving():
                return
            try:
                volumes.refresh(self.pod)
            except (Missing, Refused, urllib3.exceptions.HTTPError) as obstacle:
                self._say("Warning", "FailedMount", str(obstacle))

    def _start(self, container: Container, around: Callable[[Container], Surroundings]) -> Life:
        life = Life(container, around(container))
        self.lives[container.name] = life
        life.start()
        return life

    def _stop_all(self) -> None:
        """Containers first, all at once; then sidecars, the last started first, in what is left of the grace."""
        until = self._ends_at if self._ends_at is not None else time.monotonic() + self.pod.grace
        sidecars = [one.name for one in self.pod.sidecars]
        _stop((life for name, life in self.lives.items() if name not in sidecars), until)
        for name in reversed(sidecars):
            if name in self.lives:
                _stop([self.lives[name]], until)

    def _delete(self) -> None:
        if not self.pod.told["metadata"].get("deletionTimestamp"):
            return
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.pod.uid}}
        try:
            self._node.api.delete(self.pod.path, body)
        except Refused as refusal:
            if refusal.status not in {404, 409}:
                raise

    def _ending(self) -> bool:
        return self._ends_at is not None

    def _leaving(self) -> bool:
        """Whether nothing is to be started any more."""
        return self._ending() or self._verdict is not None

    def _until(self, holds: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait for a condition, for the pod's end or deadline, or so long; whether the condition holds."""
        left = self._left()
        last = left is not None and (seconds is None or left <= seconds)
        with self._changed:
            told = self._changed.wait_for(lambda: holds() or self._ending(), left if last else seconds)
        if last and not told:
            self._verdict = _DEADLINE
        return holds()

    def _left(self) -> float | None:
        """Seconds until the pod's deadline, which counts from its start: Kubernetes API, activeDeadlineSeconds."""
        if self.pod.deadline is None:
            return None
        age = datetime.now(UTC) - datetime.fromisoformat(self._began)
        return max(self.pod.deadline - age.total_seconds(), 0)

    def _note(self) -> None:
        with self._changed:
            self._changed.notify_all()
        self._reporter.changed()

    def _say(self, kind: Kind, reason: str, message: str) -> None:
        self._node.events.say(self.pod, kind, reason, message)

    def _moment(self) -> Moment:
        everyone = (*self.pod.initial, *self.pod.containers)
        none = Record(state=self._waiting)
        records = {one.name: self.lives[one.name].record if one.name in self.lives else none for one in everyone}
        return Moment(self._ip, self._began, now(), records, self._ending(), self._verdict)


def _failed(life: Life) -> bool:
    state = life.record.state
    return life.over.is_set() and isinstance(state, Terminated) and state.code != 0


def _stop(lives: Iterable[Life], until: float) -> None:
    threads = [threading.Thread(target=life.stop, args=(until,), daemon=True) for life in lives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
