"""From a pod's JSON to the pod, tolerant of missing and null members.

Its parts, the frame and each container, are read from an extract that is also what they are known by: two with the same
extract are one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import orjson

from cloudsql_iam_operator.core.injection.pod import (
    DEFAULT_SERVICE_ACCOUNT,
    EPHEMERAL,
    INIT,
    MAIN,
    Container,
    Frame,
    MalformedPod,
    Pod,
)
from cloudsql_iam_operator.core.injection.shelf import Shelf

MOST_CONTAINERS = 1_000
"""Of one kind: a review of a few MiB may hold a hundred thousand, each of which would get its variables."""

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
HOOKS = ("postStart", "preStop")
WAYS = ("httpGet", "tcpSocket", "grpc")

WINDOWS, LINUX = "windows", "linux"
OS_LABELS = ("kubernetes.io/os", "beta.kubernetes.io/os")
WINDOWS_BUILD = "node.kubernetes.io/windows-build"
"""On nodes that run Windows only. Source: Kubernetes, "Well-Known Labels"."""

_MOUNT_PATH = itemgetter("mountPath")
_TOKEN_VOLUME = re.compile(r"kube-api-access-[a-z0-9]{5}")
"""Name of the volume with the pod's token: each has its own. Source: Kubernetes, admission plugin ServiceAccount."""


def parsed(pod: Mapping[str, Any], shelf: Shelf | None = None) -> Pod:
    """The pod that this JSON describes, with the parts that the shelf has already.

    Raises:
        MalformedPod: it describes none.
    """
    extract = _frame_extract(pod)
    spec = _mapping(pod.get("spec"))
    frame = _frame(extract) if shelf is None else shelf.part(_written(extract), _frame, extract)
    return Pod(
        frame, _containers(spec, INIT, shelf), _containers(spec, MAIN, shelf), _containers(spec, EPHEMERAL, shelf)
    )


def _frame_extract(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata, spec = _mapping(pod.get("metadata")), _mapping(pod.get("spec"))
    shown = {name: metadata.get(name) for name in ("name", "generateName", "annotations", "ownerReferences")}
    outside = {name: value for name, value in spec.items() if name not in (INIT, MAIN, EPHEMERAL)}
    outside["volumes"] = [_volume(_mapping(volume)) for volume in _list(spec.get("volumes"))]
    return {"metadata": shown, "spec": outside}


def _volume(volume: Mapping[str, Any]) -> str:
    name = _text(volume.get("name"))
    return "kube-api-access-*" if "projected" in volume and _TOKEN_VOLUME.fullmatch(name) else name


def _frame(pod: Mapping[str, Any]) -> Frame:
    metadata, spec = pod["metadata"], pod["spec"]
    annotations = metadata["annotations"]
    owners = [_text(owner.get("kind")) for owner in map(_mapping, _list(metadata["ownerReferences"]))]
    return Frame(
        name=_text(metadata["name"]) or f"{_text(metadata['generateName'])}*",
        annotations=None if annotations is None else {k: _text(v) for k, v in _mapping(annotations).items()},
        service_account=service_account_name(pod),
        host_network=spec.get("hostNetwork") is True,
        windows=_is_windows(spec),
        node=_text(spec.get("nodeName")),
        restart_policy=_text(spec.get("restartPolicy")) or "Always",
        grace=_whole(spec.get("terminationGracePeriodSeconds"), 30),
        owned_by_job="Job" in owners,
        owner=next(iter(owners), ""),
        requests=_quantities(spec, "requests"),
        limits=_quantities(spec, "limits"),
        volumes=tuple(spec["volumes"]),
        pull_secrets=_names(spec.get("imagePullSecrets")),
    )


def service_account_name(pod: Mapping[str, Any]) -> str:
    """Name of the ServiceAccount that the pod runs as; manifests may say it by the member's old name.

    Raises:
        MalformedPod: it describes no pod.
    Source: Kubernetes API, PodSpec, serviceAccount
    """
    spec = _mapping(pod.get("spec"))
    return _text(spec.get("serviceAccountName")) or _text(spec.get("serviceAccount")) or DEFAULT_SERVICE_ACCOUNT


def _containers(spec: Mapping[str, Any], place: str, shelf: Shelf | None) -> tuple[Container, ...]:
    listed = _list(spec.get(place))
    if not listed:
        return ()
    if len(listed) > MOST_CONTAINERS:
        raise MalformedPod(f"{place} are {len(listed)}, of which nobody needs more than {MOST_CONTAINERS}")
    extracts = [_container_extract(_mapping(raw)) for raw in listed]
    if shelf is None:
        return tuple(_container(place, index, extract) for index, extract in enumerate(extracts))
    return tuple(
        shelf.part(_written((place, index, extract)), _container, place, index, extract)
        for index, extract in enumerate(extracts)
    )


def _written(extract: object) -> bytes:
    """All that a part is made from; b"" for what an API server does not send, such as numbers beyond all bounds."""
    try:
        return orjson.dumps(extract)
    except TypeError:
        return b""


def _container_extract(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """All of it, but of its mounts only where they are: the volume with the token has another name in each pod."""
    return {**raw, "volumeMounts": _places(_list(raw.get("volumeMounts")))}


def _places(mounts: Sequence[Any]) -> list[Any]:
    try:
        return list(map(_MOUNT_PATH, mounts))  # in nearly all pods each has one
    except (KeyError, TypeError):
        return [mount.get("mountPath") for mount in map(_mapping, mounts)]


def _container(place: str, index: int, raw: Mapping[str, Any]) -> Container:
    command = _list(raw.get("command"))
    words = (*command, *_list(raw.get("args")))
    return Container(
        place=place,
        index=index,
        name=_text(raw.get("name")),
        image=_text(raw.get("image")),
        words=tuple(map(_text, words)),
        entrypoint=bool(command),
        env=_environment(_list(raw.get("env"))),
        ports=frozenset((*_ports(raw), *_called(raw))),
        env_from=bool(_list(raw.get("envFrom"))),
        native=place == INIT and raw.get("restartPolicy") == "Always",
        mounts=tuple(map(_text, raw["volumeMounts"])),
        requests=_quantities(raw, "requests"),
        limits=_quantities(raw, "limits"),
        windows=_has_windows_options(raw),
    )


def _is_windows(spec: Mapping[str, Any]) -> bool:
    """Whether the pod says so in one of the ways there are; the label with `beta` is that of old clusters."""
    selector = _mapping(spec.get("nodeSelector"))
    # the API server has put the selector of the class in; a template has only its name
    if WINDOWS_BUILD in selector or _text(spec.get("runtimeClassName")).startswith(WINDOWS):
        return True
    named = (_mapping(spec.get("os")).get("name"), *(selector.get(label) for label in OS_LABELS))
    return WINDOWS in [_text(name) for name in named] or _has_windows_options(spec) or _goes_to_windows(spec)


def _has_windows_options(spec: Mapping[str, Any]) -> bool:
    return bool(_mapping(_mapping(spec.get("securityContext")).get("windowsOptions")))


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
    return {name: str(value) for name, value in found.items() if isinstance(value, (str, int, float))} if found else {}


def _names(listed: Any) -> tuple[str, ...]:
    return tuple(_text(one.get("name")) for one in map(_mapping, _list(listed)))


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) else default


def _environment(listed: Sequence[Any]) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    for one in listed:
        # hundreds of them are usual, and nearly all are plain
        if type(one) is dict and len(one) == 2 and type(one.get("name")) is type(one.get("value")) is str:
            found[one["name"]] = one["value"]
        else:
            rare = _mapping(one)
            found[_text(rare.get("name"))] = None if rare.get("valueFrom") else _text(rare.get("value"))
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
        for way in WAYS:
            if way in hook:
                port = _mapping(hook[way]).get("port")
                if isinstance(port, int) and port:
                    yield port


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
