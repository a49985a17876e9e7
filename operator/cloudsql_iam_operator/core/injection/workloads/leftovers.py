"""What a proxy's container has beside its command line: resources, credentials, and what no annotation expresses."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator.api.injection.access import CREDENTIALS_SECRET
from cloudsql_iam_operator.api.injection.sidecar import CPU_LIMIT, CPU_REQUEST, MEMORY_LIMIT, MEMORY_REQUEST
from cloudsql_iam_operator.core.injection.neighbours.proxies import OtherProxy

CREDENTIALS = "a credentials file"
"""How a translation calls what only the pod's volumes explain."""

_CREDENTIALS_FLAGS = ("credentials-file", "credential_file")
_CREDENTIALS_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
_READ_BY_PROXY = ("HTTP", "HTTPS", "NO_PROXY", "ALL_PROXY", "SSL_CERT", "GOOGLE_", "CLOUDSDK_", "GO", "GCE_")
"""How variables begin, of those that are neither CSQL_PROXY_* nor only referred to, that change what a proxy does."""

_RESOURCES = {
    ("requests", "cpu"): CPU_REQUEST,
    ("requests", "memory"): MEMORY_REQUEST,
    ("limits", "cpu"): CPU_LIMIT,
    ("limits", "memory"): MEMORY_LIMIT,
}


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Annotations for it, what has none, and whether the credentials file is among the annotations."""

    annotations: tuple[tuple[str, str], ...]
    lost: tuple[str, ...]
    credentials: bool


def of(raw: Mapping[str, Any], spec: Mapping[str, Any], proxy: OtherProxy, sockets: Set[str]) -> Leftovers:
    """The rest of the container `raw` of the pod spec; `sockets` are volumes that are spoken for."""
    path = _credentials_path(proxy)
    secret, mount = _secret(path, raw, spec) if path else ("", "")
    annotations = [(str(name), quantity) for name, quantity in _resources(raw) if name]
    if secret:
        annotations.append((str(CREDENTIALS_SECRET), secret))
    lost = [*_lost(raw, proxy, sockets | {mount}), *(what for name, what in _resources(raw) if not name)]
    if path and not secret:
        lost.append(f"the credentials file {path}, which is no file of a Secret")
    return Leftovers(tuple(annotations), tuple(lost), bool(secret))


def _credentials_path(proxy: OtherProxy) -> str:
    flags = proxy.invocation.flags
    said = next((flags[flag] for flag in _CREDENTIALS_FLAGS if flag in flags), None)
    return said or proxy.container.env.get(_CREDENTIALS_VARIABLE) or ""


def _secret(path: str, raw: Mapping[str, Any], spec: Mapping[str, Any]) -> tuple[str, str]:
    """The Secret's name and key that the path is a file of, and the name of the volume; "" twice when it is none."""
    folder, _, key = path.rpartition("/")
    for mount in raw.get("volumeMounts") or ():
        if mount.get("mountPath", "").rstrip("/") == folder and not mount.get("subPath"):
            volume: Mapping[str, Any] = next(
                (v for v in spec.get("volumes") or () if v.get("name") == mount.get("name")), {}
            )
            secret = volume.get("secret") or {}
            if secret.get("secretName"):
                items = {item.get("path"): item.get("key") for item in secret.get("items") or ()}
                named = items.get(key, "") if items else key
                return (f"{secret['secretName']}:{named}", mount["name"]) if named else ("", "")
    return "", ""


def _resources(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Annotations and quantities; with "" in place of an annotation what has none."""
    for bound in ("requests", "limits"):
        for name, quantity in ((raw.get("resources") or {}).get(bound) or {}).items():
            annotation = _RESOURCES.get((bound, name), "")
            yield annotation, str(quantity) if annotation else f"{bound} of {name}"


def _lost(raw: Mapping[str, Any], proxy: OtherProxy, known: Set[str]) -> Iterator[str]:
    mounts = [m.get("name") for m in raw.get("volumeMounts") or () if m.get("name") not in known]
    if mounts:
        yield f"its volumes ({', '.join(map(str, mounts))})"
    if raw.get("envFrom"):
        yield "envFrom"
    names = [n for n in proxy.container.env if n.startswith(_READ_BY_PROXY) and n != _CREDENTIALS_VARIABLE]
    if names:
        yield f"its variables {', '.join(names)}"
