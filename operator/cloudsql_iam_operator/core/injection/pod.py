"""A pod as the planner reads it: parsed once from JSON, tolerant of missing and null members. Never changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

INIT = "initContainers"
MAIN = "containers"
EPHEMERAL = "ephemeralContainers"
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
HOOKS = ("postStart", "preStop")

DEFAULT_SERVICE_ACCOUNT = "default"
WINDOWS, LINUX = "windows", "linux"
OS_LABELS = ("kubernetes.io/os", "beta.kubernetes.io/os")
WINDOWS_BUILD = "node.kubernetes.io/windows-build"
"""On nodes that run Windows only. Source: Kubernetes, "Well-Known Labels"."""


class MalformedPod(ValueError):
    """The JSON is no pod: a member has a type that no API server would send."""


@dataclass(frozen=True, slots=True)
class Container:
    """One container: `place` and `index` say where in the spec; `env` maps names to literal values, None for valueFrom.

    `words` are command and arguments; `entrypoint` is whether they begin with a command. `ports` are the TCP ports
    that it declares, or that its probes and hooks call. `mounts` are the paths of its volume mounts; `requests` and
    `limits` are quantities by resource.
    """

    place: str
    index: int
    name: str
    image: str
    words: tuple[str, ...]
    entrypoint: bool
    env: Mapping[str, str | None]
    ports: frozenset[int]
    env_from: bool
    native: bool
    mounts: tuple[str, ...]
    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod. `node` is where it is bound to, "" when the scheduler decides. `grace` is seconds after SIGTERM.

    `requests` and `limits` are those of the pod as a whole; `volumes` and `pull_secrets` are names. `made_again` says
    that a controller makes another one when it is refused.
    """

    name: str
    annotations: Mapping[str, str] | None
    service_account: str
    host_network: bool
    windows: bool
    node: str
    restart_policy: str
    grace: int
    owned_by_job: bool
    made_again: bool
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    volumes: tuple[str, ...]
    pull_secrets: tuple[str, ...]
    init: tuple[Container, ...]
    main: tuple[Container, ...]
    ephemeral: tuple[Container, ...]

    @property
    def containers(self) -> Iterator[Container]:
        """Containers that can be given an environment: init containers, then the others."""
        yield from self.init
        yield from self.main


def parsed(pod: Mapping[str, Any]) -> Pod:
    """The pod that this JSON describes.

    Raises:
        MalformedPod: it describes none.
    """
    metadata, spec = _mapping(pod.get("metadata")), _mapping(pod.get("spec"))
    annotations = metadata.get("annotations")
    return Pod(
        name=_text(metadata.get("name")) or f"{_text(metadata.get('generateName'))}*",
        annotations=None if annotations is None else {k: _text(v) for k, v in _mapping(annotations).items()},
        service_account=service_account_name(pod),
        host_network=spec.get("hostNetwork") is True,
        windows=_is_windows(spec),
        node=_text(spec.get("nodeName")),
        restart_policy=_text(spec.get("restartPolicy")) or "Always",
        grace=_whole(spec.get("terminationGracePeriodSeconds"), 30),
        owned_by_job=any(_text(o.get("kind")) == "Job" for o in map(_mapping, _list(metadata.get("ownerReferences")))),
        made_again=bool(metadata.get("generateName") or metadata.get("ownerReferences")),
        requests=_quantities(spec, "requests"),
        limits=_quantities(spec, "limits"),
        volumes=_names(spec.get("volumes")),
        pull_secrets=_names(spec.get("imagePullSecrets")),
        init=_containers(spec, INIT),
        main=_containers(spec, MAIN),
        ephemeral=_containers(spec, EPHEMERAL),
    )


def service_account_name(pod: Mapping[str, Any]) -> str:
    """Name of the ServiceAccount that the pod runs as.

    Raises:
        MalformedPod: it describes no pod.
    """
    return _text(_mapping(pod.get("spec")).get("serviceAccountName")) or DEFAULT_SERVICE_ACCOUNT


def _containers(spec: Mapping[str, Any], place: str) -> tuple[Container, ...]:
    return tuple(_container(place, index, _mapping(raw)) for index, raw in enumerate(_list(spec.get(place))))


def _container(place: str, index: int, raw: Mapping[str, Any]) -> Container:
    command = _list(raw.get("command"))
    words = (*command, *_list(raw.get("args")))
    return Container(
        place=place,
        index=index,
        name=_text(raw.get("name")),
        image=_text(raw.get("image")),
        words=tuple(_text(word) for word in words),
        entrypoint=bool(command),
        env=_environment(_list(raw.get("env"))),
        ports=frozenset((*_ports(raw), *_called(raw))),
        env_from=bool(_list(raw.get("envFrom"))),
        native=place == INIT and raw.get("restartPolicy") == "Always",
        mounts=tuple(_text(mount.get("mountPath")) for mount in map(_mapping, _list(raw.get("volumeMounts")))),
        requests=_quantities(raw, "requests"),
        limits=_quantities(raw, "limits"),
    )


def _is_windows(spec: Mapping[str, Any]) -> bool:
    """Whether the pod says so in one of the ways there are; the label with `beta` is that of old clusters."""
    selector = _mapping(spec.get("nodeSelector"))
    named = (_mapping(spec.get("os")).get("name"), *(selector.get(label) for label in OS_LABELS))
    if WINDOWS_BUILD in selector:
        return True
    contexts = (spec, *map(_mapping, (*_list(spec.get(INIT)), *_list(spec.get(MAIN)))))
    options = (_mapping(one.get("securityContext")).get("windowsOptions") for one in contexts)
    return WINDOWS in [_text(name) for name in named] or any(map(_mapping, options)) or _goes_to_windows(spec)


def _goes_to_windows(spec: Mapping[str, Any]) -> bool:
    """Whether every node that the pod's affinity allows runs Windows."""
    affinity = _mapping(_mapping(spec.get("affinity")).get("nodeAffinity"))
    required = _mapping(affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))
    terms = [_list(_mapping(term).get("matchExpressions")) for term in _list(required.get("nodeSelectorTerms"))]
    return bool(terms) and all(any(map(_is_for_windows, map(_mapping, term))) for term in terms)


def _is_for_windows(expression: Mapping[str, Any]) -> bool:
    key, operator, values = expression.get("key"), expression.get("operator"), list(_list(expression.get("values")))
    if key == WINDOWS_BUILD:
        return operator in ("In", "Exists")
    return key in OS_LABELS and (
        (operator == "In" and values == [WINDOWS]) or (operator == "NotIn" and LINUX in values)
    )


def _quantities(spec: Mapping[str, Any], which: str) -> Mapping[str, str]:
    found = _mapping(_mapping(spec.get("resources")).get(which))
    return {name: str(value) for name, value in found.items() if isinstance(value, str | int | float)} if found else {}


def _names(listed: Any) -> tuple[str, ...]:
    return tuple(_text(one.get("name")) for one in map(_mapping, _list(listed)))


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) else default


def _environment(listed: Sequence[Any]) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    for one in map(_mapping, listed):
        name, value = one.get("name"), one.get("value")
        # hundreds of them are usual, and nearly all are plain
        if type(name) is str and type(value) is str and "valueFrom" not in one:
            found[name] = value
        else:
            found[_text(name)] = None if one.get("valueFrom") else _text(value)
    return found


def _ports(raw: Mapping[str, Any]) -> Iterator[int]:
    for port in map(_mapping, _list(raw.get("ports"))):
        if port.get("protocol", "TCP") == "TCP":
            yield from (n for n in (port.get("containerPort"), port.get("hostPort")) if isinstance(n, int) and n)


def _called(raw: Mapping[str, Any]) -> Iterator[int]:
    """Ports that the kubelet calls the container on; those that it names are declared."""
    hooks = [raw[probe] for probe in PROBES if raw.get(probe)]
    if raw.get("lifecycle"):
        hooks += map(_mapping(raw["lifecycle"]).get, HOOKS)
    for hook in map(_mapping, hooks):
        ports = (_mapping(hook.get(way)).get("port") for way in ("httpGet", "tcpSocket", "grpc"))
        yield from (port for port in ports if isinstance(port, int) and port)


def _mapping(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedPod(f"an object was expected, not {type(value).__name__}")
    return value


def _list(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise MalformedPod(f"a list was expected, not {type(value).__name__}")
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedPod(f"a text was expected, not {type(value).__name__}")
    return value
