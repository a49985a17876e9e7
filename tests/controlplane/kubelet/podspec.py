"""A pod as the kubelet reads it, parsed once from the API's JSON; and what of it this kubelet cannot do.

Honoured of securityContext: runAsUser, runAsGroup and supplementalGroups, when the settings say so. Everything else
there (capabilities, seccomp, readOnlyRootFilesystem, fsGroup …) is accepted and has no effect: a container is a
process of this machine's user. Resources are not enforced.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = Mapping[str, Any]
Restart = Literal["Always", "OnFailure", "Never"]

GRACE_SECONDS = 30
VOLUMES = ("projected", "emptyDir", "configMap", "secret", "downwardAPI")
_HOST_FLAGS = ("hostNetwork", "hostPID", "hostIPC")


@dataclass(frozen=True, slots=True)
class Handler:
    """One of exec, httpGet, tcpSocket, sleep, and what it says."""

    kind: str
    told: Json


@dataclass(frozen=True, slots=True)
class Probe:
    """A handler and its rhythm, in seconds and counts, Kubernetes' defaults filled in."""

    handler: Handler
    delay: float
    period: float
    timeout: float
    successes: int
    failures: int


@dataclass(frozen=True, slots=True)
class Container:
    """One container. `restart` is "Always" for every container of an Always pod and for native sidecars."""

    name: str
    image: str
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    directory: str
    restart: Restart
    sidecar: bool
    startup: Probe | None
    liveness: Probe | None
    readiness: Probe | None
    pre_stop: Handler | None
    post_start: Handler | None
    termination_file: str
    logs_as_message: bool
    told: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of this node."""

    namespace: str
    name: str
    uid: str
    restart: Restart
    grace: int
    deadline: float | None
    initial: tuple[Container, ...]
    containers: tuple[Container, ...]
    told: Json = field(repr=False)

    @property
    def path(self) -> str:
        """Where the API server has it."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    @property
    def spec(self) -> Json:
        """Its spec as it came."""
        spec: Json = self.told["spec"]
        return spec

    @property
    def sidecars(self) -> tuple[Container, ...]:
        """Native sidecars, in their order of start."""
        return tuple(one for one in self.initial if one.sidecar)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def parse(told: Json) -> Pod:
    """The pod in an API object."""
    meta, spec = told["metadata"], told["spec"]
    restart: Restart = spec.get("restartPolicy", "Always")
    return Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        restart=restart,
        grace=int(spec.get("terminationGracePeriodSeconds", GRACE_SECONDS)),
        deadline=spec.get("activeDeadlineSeconds"),
        initial=tuple(_initial(one, restart) for one in spec.get("initContainers", ())),
        containers=tuple(_container(one, restart) for one in spec["containers"]),
        told=told,
    )


def unsupported(pod: Pod) -> Iterator[str]:
    """Sentences on what this kubelet cannot do and the pod asks for."""
    spec = pod.spec
    yield from (
        f"spec.{flag}: pods have a network and processes of their own here" for flag in _HOST_FLAGS if spec.get(flag)
    )
    if spec.get("ephemeralContainers"):
        yield "spec.ephemeralContainers: not started by this kubelet"
    for volume in spec.get("volumes", ()):
        kind = next((key for key in volume if key != "name"), "emptyDir")
        if kind not in VOLUMES:
            yield f"spec.volumes[{volume['name']}].{kind}: only {', '.join(VOLUMES)} are mounted here"
    for one in (*pod.initial, *pod.containers):
        yield from _unsupported_of(one)


def _unsupported_of(container: Container) -> Iterator[str]:
    where = f"container {container.name}: "
    if (container.told.get("securityContext") or {}).get("privileged"):
        yield f"{where}securityContext.privileged"
    for key in ("volumeDevices", "stdin", "tty"):
        if container.told.get(key):
            yield where + key
    for probe in (container.startup, container.liveness, container.readiness):
        if probe is not None and probe.handler.kind == "grpc":
            yield f"{where}grpc probes"
    if any("subPathExpr" in mount for mount in container.told.get("volumeMounts", ())):
        yield f"{where}volumeMounts.subPathExpr"


def _initial(told: Json, pod: Restart) -> Container:
    if told.get("restartPolicy") == "Always":
        return _container(told, "Always", sidecar=True)
    return _container(told, "Never" if pod == "Never" else "OnFailure")


def _container(told: Json, restart: Restart, sidecar: bool = False) -> Container:
    lifecycle = told.get("lifecycle") or {}
    return Container(
        name=told["name"],
        image=told["image"],
        command=tuple(told.get("command", ())),
        arguments=tuple(told.get("args", ())),
        directory=told.get("workingDir") or "/",
        restart=restart,
        sidecar=sidecar,
        startup=_probe(told.get("startupProbe")),
        liveness=_probe(told.get("livenessProbe")),
        readiness=_probe(told.get("readinessProbe")),
        pre_stop=_handler(lifecycle.get("preStop")),
        post_start=_handler(lifecycle.get("postStart")),
        termination_file=told.get("terminationMessagePath") or "/dev/termination-log",
        logs_as_message=told.get("terminationMessagePolicy") == "FallbackToLogsOnError",
        told=told,
    )


def _probe(told: Json | None) -> Probe | None:
    handler = _handler(told)
    if told is None or handler is None:
        return None
    return Probe(
        handler=handler,
        delay=float(told.get("initialDelaySeconds", 0)),
        period=float(told.get("periodSeconds", 10)),
        timeout=float(told.get("timeoutSeconds", 1)),
        successes=int(told.get("successThreshold", 1)),
        failures=int(told.get("failureThreshold", 3)),
    )


def _handler(told: Json | None) -> Handler | None:
    for kind in ("exec", "httpGet", "tcpSocket", "sleep", "grpc"):
        if told and kind in told:
            return Handler(kind, told[kind] or {})
    return None
