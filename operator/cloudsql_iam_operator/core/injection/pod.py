"""A pod as the planner reads it: parsed once from JSON, tolerant of missing and null members. Never changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

INIT = "initContainers"
MAIN = "containers"
EPHEMERAL = "ephemeralContainers"

DEFAULT_SERVICE_ACCOUNT = "default"


class MalformedPod(ValueError):
    """The JSON is no pod: a member has a type that no API server would send."""


@dataclass(frozen=True, slots=True)
class Container:
    """One container: `place` and `index` say where in the spec; `env` maps names to literal values, None for valueFrom.

    `ports` are the declared TCP container and host ports.
    """

    place: str
    index: int
    name: str
    image: str
    words: tuple[str, ...]
    env: Mapping[str, str | None]
    ports: frozenset[int]
    env_from: bool
    native: bool


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod. `init` and `main` are None when the list is missing, null or empty in the JSON."""

    name: str
    annotations: Mapping[str, str] | None
    service_account: str
    host_network: bool
    windows: bool
    resources: bool
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
        windows="windows"
        in (
            _text(_mapping(spec.get("os")).get("name")),
            _text(_mapping(spec.get("nodeSelector")).get("kubernetes.io/os")),
        ),
        resources=bool(_mapping(spec.get("resources"))),
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
    words = (*_list(raw.get("command")), *_list(raw.get("args")))
    return Container(
        place=place,
        index=index,
        name=_text(raw.get("name")),
        image=_text(raw.get("image")),
        words=tuple(_text(word) for word in words),
        env={_text(e.get("name")): _literal(e) for e in map(_mapping, _list(raw.get("env")))},
        ports=frozenset(_ports(raw)),
        env_from=bool(_list(raw.get("envFrom"))),
        native=place == INIT and raw.get("restartPolicy") == "Always",
    )


def _literal(variable: Mapping[str, Any]) -> str | None:
    return None if variable.get("valueFrom") else _text(variable.get("value"))


def _ports(raw: Mapping[str, Any]) -> Iterator[int]:
    for port in map(_mapping, _list(raw.get("ports"))):
        if port.get("protocol", "TCP") == "TCP":
            yield from (n for n in (port.get("containerPort"), port.get("hostPort")) if isinstance(n, int) and n)


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
