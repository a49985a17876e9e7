"""The life of one container: started, probed, started again as its restart policy says, stopped. One thread each."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import urllib3

from controlplane.kubelet.api import Refused
from controlplane.kubelet.environment import Missing
from controlplane.kubelet.events import Kind
from controlplane.kubelet.instance import Instance, Order
from controlplane.kubelet.node import now
from controlplane.kubelet.podspec import Container, Handler, Probe
from controlplane.kubelet.probes import Count, Target, attempt
from controlplane.kubelet.status import Record, Running, Terminated, Waiting

BACKOFF_SECONDS, BACKOFF_MOST, BACKOFF_FORGOTTEN = 1.0, 60.0, 120.0
"""Faster than the real kubelet's 10 s to 5 min: tests wait for restarts."""

MINIMUM_GRACE_SECONDS = 2.0
"""What TERM is given before KILL even when the hook used up all: kubelet, minimumGracePeriodInSeconds."""

RETRY_SECONDS = 1.0
FOREVER = 1e6
"""Eleven days; poll(2) takes no more than 24."""

CANNOT_START = 128


class CannotRun(RuntimeError):
    """There is no command for the image; `reason` is what the container waits with."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a container's life asks of its pod: the order of a run, to hear of changes, to say something happened."""

    ip: str
    grace: float
    directory: Path
    order: Callable[[Container, Path], Order]
    changed: Callable[[], None]
    say: Callable[[Kind, str, str], None]
    minimum: float = MINIMUM_GRACE_SECONDS


class Life:
    """One container of one pod. `record` is where it is at; `over` is set when it will not be started again."""

    def __init__(self, container: Container, around: Surroundings) -> None:
        self.container = container
        self.record = Record()
        self.over = threading.Event()
        self._around = around
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._instance: Instance | None = None
        self._hooking = threading.Lock()
        self._hooked: Instance | None = None
        self._backoff = 0.0
        self._runs = 0
        self._thread = threading.Thread(target=self._live, name=f"life-{container.name}", daemon=True)
        around.directory.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start it, in a thread of its own."""
        self._thread.start()

    def log(self, restarts: int) -> Path:
        """Where the log of a run is; runs are counted by the restarts before them."""
        return self._around.directory / f"{restarts}.log"

    def runs(self, restarts: int) -> bool:
        """Whether that run still lives."""
        return self.record.restarts == restarts and isinstance(self.record.state, Running)

    def pid(self) -> int | None:
        """The process of the present run; None between runs."""
        with self._starting:
            instance = self._instance
        return instance.pid if instance is not None and instance.alive() else None

    def stop(self, deadline: float) -> None:
        """End it, preStop hook first, by a moment of time.monotonic(), or soon after it. Returns when it has ended."""
        instance = self._last()
        if instance is not None and instance.alive():
            self._around.say("Normal", "Killing", f"Stopping container {self.container.name}")
            self._end(instance, deadline)
        if self._thread.is_alive():
            self._thread.join()

    def kill(self) -> None:
        """End it at once, whatever else is waited for."""
        instance = self._last()
        if instance is not None:
            instance.kill()

    def _last(self) -> Instance | None:
        """The run after which there will be no other: whoever asks ends it."""
        with self._starting:
            self._stopping.set()
            return self._instance

    def _end(self, instance: Instance, deadline: float) -> None:
        """Its hook, once however many ask for the end, then TERM with what is left of the time, but never nothing."""
        hook = self.container.pre_stop
        with self._hooking:
            if hook is not None and self._hooked is not instance:
                self._hooked = instance
                self._run_hook("preStop", hook, instance, deadline - time.monotonic())
        instance.stop(max(deadline - time.monotonic(), self._around.minimum))

    def _live(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            code = self._run_once()
            if code is not None and not self._again(code):
                break
            if code is not None:
                self._back_off(time.monotonic() - began)
        self.over.set()
        self._around.changed()

    def _again(self, code: int) -> bool:
        policy = self.container.restart
        return not self._stopping.is_set() and (policy == "Always" or (policy == "OnFailure" and code != 0))

    def _run_once(self) -> int | None:
        """The exit code; None when it could not be started and waits."""
        order = self._ordered()
        if order is None:
            self._stopping.wait(RETRY_SECONDS)
            return None
        began, number = now(), self._runs
        with self._starting:
            if self._stopping.is_set():
                return None
            instance = Instance(order, self.log(number), self._around.directory / "message")
            self._instance = instance
        self._runs += 1
        if instance.obstacle:
            instance.wait()
            self._say_failed(f"failed to start container {self.container.name}: {instance.obstacle}")
            self._ended(Terminated(CANNOT_START, "StartError", instance.obstacle, began, now()), number)
            return CANNOT_START
        self._started(instance, number, began)
        code = instance.wait()
        message = instance.message(code, self.container.logs_as_message)
        self._ended(Terminated(code, "Error" if code else "Completed", message, began, now()), number)
        return code

    def _ordered(self) -> Order | None:
        """The order of the next run; None, told in the status, while something for it is missing."""
        try:
            return self._around.order(self.container, self._around.directory / "message")
        except (Missing, CannotRun, Refused, urllib3.exceptions.HTTPError) as obstacle:
            reason = obstacle.reason if isinstance(obstacle, CannotRun) else "CreateContainerConfigError"
            self._say_failed(str(obstacle))
            self._become(state=Waiting(reason, str(obstacle)))
            return None

    def _say_failed(self, what: str) -> None:
        self._around.say("Warning", "Failed", f"Error: {what}")

    def _started(self, instance: Instance, number: int, began: str) -> None:
        self._around.say("Normal", "Started", f"Started container {self.container.name}")
        started = self.container.startup is None
        self._become(
            state=Running(began),
            started=started,
            ready=started and self.container.readiness is None,
            restarts=number,
            instance=f"{self.container.name}-{number}",
        )
        threading.Thread(target=self._watch_over, args=(instance,), daemon=True).start()

    def _ended(self, end: Terminated, number: int) -> None:
        self._become(state=end, started=False, ready=False, restarts=number)

    def _back_off(self, lived: float) -> None:
        end = self.record.state
        self._backoff = 0.0 if lived > BACKOFF_FORGOTTEN else self._backoff
        self._backoff = min(max(BACKOFF_SECONDS, self._backoff * 2), BACKOFF_MOST)
        text = f"back-off {self._backoff:.0f}s restarting failed container={self.container.name}"
        self._around.say("Warning", "BackOff", text)
        last = end if isinstance(end, Terminated) else None
        self._become(state=Waiting("CrashLoopBackOff", text), last=last)
        if self._stopping.wait(self._backoff) and last is not None:
            self._become(state=last, last=None)

    def _become(self, **changes: object) -> None:
        with self._lock:
            self.record = replace(self.record, **changes)  # type: ignore[arg-type]  # names of Record's own fields
        self._around.changed()

    def _watch_over(self, instance: Instance) -> None:
        """Hooks and probes of one run."""
        container = self.container
        if container.post_start is not None and not self._run_hook(
            "postStart", container.post_start, instance, FOREVER
        ):
            self._end(instance, time.monotonic() + self._around.grace)
            return
        if container.startup is not None:
            if not self._probe("Startup", container.startup, instance):
                return
            self._become(started=True, ready=container.readiness is None)
        if container.readiness is not None:
            threading.Thread(target=self._probe, args=("Readiness", container.readiness, instance), daemon=True).start()
        if container.liveness is not None:
            self._probe("Liveness", container.liveness, instance)

    def _probe(self, kind: str, probe: Probe, instance: Instance) -> bool:
        """Probe until the run ends; a startup probe until it passed: whether it did."""
        count = Count()
        target = Target(self._around.ip, self.container, instance.pid)
        self._stopping.wait(probe.delay)
        while instance.alive() and not self._stopping.is_set():
            tried = attempt(probe.handler, target, probe.timeout)
            if not instance.alive() or self._stopping.is_set():
                break
            if not tried.passed:
                self._around.say("Warning", "Unhealthy", f"{kind} probe failed: {tried.text}")
            count = count.after(tried.passed, probe)
            if kind == "Readiness":
                self._set_ready(count.verdict is True)
            elif count.verdict is False:
                self._kill_unhealthy(kind, instance)
                return False
            elif kind == "Startup" and count.verdict:
                return True
            self._stopping.wait(probe.period)
        return False

    def _set_ready(self, ready: bool) -> None:
        if self.record.ready != ready:
            self._become(ready=ready)

    def _kill_unhealthy(self, kind: str, instance: Instance) -> None:
        name = self.container.name
        self._around.say("Normal", "Killing", f"Container {name} failed {kind.lower()} probe, will be restarted")
        self._end(instance, time.monotonic() + self._around.grace)

    def _run_hook(self, kind: str, hook: Handler, instance: Instance, seconds: float) -> bool:
        tried = attempt(hook, Target(self._around.ip, self.container, instance.pid), max(seconds, 0.1))
        if not tried.passed:
            self._around.say("Warning", f"Failed{kind[0].upper()}{kind[1:]}Hook", tried.text)
        return tried.passed
