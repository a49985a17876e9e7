"""Environment variables, commands and field references of a container, resolved as Kubernetes does it."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from controlplane.addresses import API_SERVER, GATEWAY
from controlplane.kubelet.api import Json
from controlplane.kubelet.podspec import Container, Pod
from controlplane.kubelet.settings import Image

NODE_CPU, NODE_MEMORY = "64", "256Gi"

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REFERENCE = re.compile(r"\$(\$|\(([-._a-zA-Z][-._a-zA-Z0-9]*)\))")
_SUBSCRIPT = re.compile(r"^metadata\.(annotations|labels)\['(.+)'\]$")
_UNITS = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "m": 0}


Look = Callable[[str], Mapping[str, bytes] | None]
"""What an object of this name holds, by key; None when there is none."""


class Missing(RuntimeError):
    """An object or key that the pod needs is not there (yet); the text names it."""


@dataclass(frozen=True, slots=True)
class Objects:
    """Texts of the namespace's ConfigMaps and Secrets; looked up by name."""

    config_map: Look
    secret: Look


@dataclass(frozen=True, slots=True)
class Place:
    """What references are resolved against: the pod, its address, and the objects of its namespace."""

    pod: Pod
    ip: str
    objects: Objects


def environment(place: Place, container: Container) -> dict[str, str]:
    """The container's variables, those of the service `kubernetes` among them.

    Raises:
        Missing: a reference leads nowhere and is not optional.
    """
    values = {"PATH": _PATH, "HOSTNAME": place.pod.name, "HOME": "/", "KUBERNETES_SERVICE_HOST": API_SERVER}
    values |= {"KUBERNETES_SERVICE_PORT": "443", "KUBERNETES_SERVICE_PORT_HTTPS": "443"}
    for source in container.told.get("envFrom", ()):
        values |= _whole(source, place.objects)
    for one in container.told.get("env", ()):
        value = _value(one, container, place, values)
        if value is not None:
            values[one["name"]] = value
    return values


def command(container: Container, image: Image, variables: Mapping[str, str]) -> list[str]:
    """What to run: `command` replaces the image's entrypoint and drops its arguments, `args` replaces these."""
    words = (*container.command, *container.arguments)
    if not container.command:
        words = (*image.entrypoint, *(container.arguments or image.arguments))
    return [expand(word, variables) for word in words]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` replaced by its value; `$$` is a dollar sign; an unknown name stays as it is."""

    def replaced(found: re.Match[str]) -> str:
        if found[1] == "$":
            return "$"
        return variables.get(found[2], found[0])

    return _REFERENCE.sub(replaced, text)


def field(place: Place, path: str) -> str:
    """The value of a fieldRef.

    Raises:
        Missing: no such field here.
    """
    pod, ip = place.pod, place.ip
    meta = pod.told["metadata"]
    subscript = _SUBSCRIPT.match(path)
    if subscript:
        return str(meta.get(subscript[1], {}).get(subscript[2], ""))
    if path in {"metadata.labels", "metadata.annotations"}:
        pairs = meta.get(path.removeprefix("metadata."), {})
        return "\n".join(f'{key}="{_escaped(pairs[key])}"' for key in sorted(pairs))
    known = {
        "metadata.name": pod.name,
        "metadata.namespace": pod.namespace,
        "metadata.uid": pod.uid,
        "spec.nodeName": str(pod.spec.get("nodeName", "")),
        "spec.serviceAccountName": str(pod.spec.get("serviceAccountName", "default")),
        "status.podIP": ip,
        "status.podIPs": ip,
        "status.hostIP": GATEWAY,
        "status.hostIPs": GATEWAY,
    }
    if path not in known:
        raise Missing(f"fieldRef {path}: this kubelet does not know the field")
    return known[path]


def resource(pod: Pod, told: Json, own: Container | None) -> str:
    """The value of a resourceFieldRef, rounded up to whole divisors; the node's size when no limit is set."""
    name = told.get("containerName") or (own.name if own else "")
    container = next((one for one in (*pod.containers, *pod.initial) if one.name == name), None)
    if container is None:
        raise Missing(f"resourceFieldRef: no container {name!r}")
    section, _, key = str(told["resource"]).partition(".")
    room = {"cpu": NODE_CPU, "memory": NODE_MEMORY}
    limits = container.told.get("resources", {}).get(section, {})
    amount = _quantity(str(limits.get(key, room.get(key, "0") if section == "limits" else "0")))
    divisor = _quantity(str(told.get("divisor") or "1")) or Decimal(1)
    return str(int((amount / divisor).to_integral_value(ROUND_CEILING)))


def _quantity(text: str) -> Decimal:
    found = re.fullmatch(r"([0-9.]+)(k|M|G|T|Ki|Mi|Gi|Ti|m)?", text)
    if found is None:
        raise Missing(f"quantity {text!r}: not understood here")
    if found[2] == "m":
        return Decimal(found[1]) / 1000
    return Decimal(found[1]) * _UNITS.get(found[2] or "", 1)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _whole(source: Json, objects: Objects) -> Iterator[tuple[str, str]]:
    told = source.get("configMapRef") or source.get("secretRef") or {}
    kind = "ConfigMap" if "configMapRef" in source else "Secret"
    found = (objects.config_map if kind == "ConfigMap" else objects.secret)(told["name"])
    if found is None and not told.get("optional"):
        raise Missing(f'{kind.lower()} "{told["name"]}" not found')
    prefix = source.get("prefix", "")
    return ((prefix + key, os.fsdecode(value)) for key, value in (found or {}).items())


def _value(one: Json, container: Container, place: Place, before: Mapping[str, str]) -> str | None:
    source = one.get("valueFrom")
    if not source:
        return expand(one.get("value", ""), before)
    if "fieldRef" in source:
        return field(place, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return resource(place.pod, source["resourceFieldRef"], container)
    if "configMapKeyRef" in source:
        return _key("configmap", place.objects.config_map, source["configMapKeyRef"])
    if "secretKeyRef" in source:
        return _key("secret", place.objects.secret, source["secretKeyRef"])
    raise Missing(f"env {one['name']}: valueFrom {', '.join(source)} is not known here")


def _key(kind: str, look: Look, told: Json) -> str | None:
    found = look(told["name"])
    if found is not None and told["key"] in found:
        return os.fsdecode(found[told["key"]])
    if told.get("optional"):
        return None
    if found is None:
        raise Missing(f'{kind} "{told["name"]}" not found')
    raise Missing(f"couldn't find key {told['key']} in {kind} {told['name']}")
