"""The volume in which a proxy has its sockets: who mounts it, and a pod spec without it."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator.core.injection.neighbours.variables import is_open
from cloudsql_iam_operator.core.injection.pod import INIT, MAIN, MalformedPod


class NotShared(Exception):
    """The sockets are reached in a way that annotations do not express; the text says how."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Names of the volumes with the sockets, and of the containers, in their order, that reach them."""

    volumes: frozenset[str]
    containers: tuple[str, ...]


def require_volumes(spec: Mapping[str, Any]) -> None:
    """Make sure that volumes and mounts of the pod spec are what they are for an API server.

    Raises:
        MalformedPod: one is not.
    """
    for volume in _named(spec, "volumes", "name"):
        _named(volume.get("secret") or {}, "items", "key", "path")
    for container in _containers(spec):
        _named(container, "volumeMounts", "name", "mountPath")


def _named(holder: Any, member: str, *texts: str) -> list[dict[str, Any]]:
    """The objects of a list, each of which has these texts."""
    listed = holder.get(member) or [] if isinstance(holder, dict) else None
    if not isinstance(listed, list):
        raise MalformedPod(f"{member} is no list of objects")
    for one in listed:
        missing = [text for text in texts if not isinstance(one, dict) or not isinstance(one.get(text), str)]
        if missing:
            raise MalformedPod(f"one of {member} is without {missing[0]}")
    return listed


def sharing(spec: Mapping[str, Any], raw: Mapping[str, Any], directories: Set[str]) -> Shared:
    """Who shares the directories with the proxy's container `raw`; nothing for none.

    Raises:
        NotShared: the volume is none of the pod's own, or others have it elsewhere.
    """
    mounted = {_path(mount): mount for mount in raw.get("volumeMounts") or ()}
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    found: dict[str, tuple[str, ...]] = {}
    for directory in sorted(directories):
        mount = mounted.get(directory)
        if is_open(directory):
            continue  # nobody can say where that is
        if mount is None or "emptyDir" not in volumes.get(mount["name"], {}) or mount.get("subPath"):
            raise NotShared(f"its sockets in {directory} are in no emptyDir of the pod")
        found[mount["name"]] = _mounting(spec, raw, mount["name"], directory)
    reached = set(found.values())
    if len(reached) > 1:
        raise NotShared(f"not the same containers mount its sockets in {', '.join(sorted(directories))}")
    return Shared(frozenset(found), next(iter(reached), ()))


def without(spec: dict[str, Any], volumes: Set[str]) -> None:
    """Take the volumes, and the mounts of them, out of the spec."""
    for container in _containers(spec):
        _keep(container, "volumeMounts", volumes)
    _keep(spec, "volumes", volumes)


def _keep(holder: dict[str, Any], key: str, volumes: Set[str]) -> None:
    left = [one for one in holder.get(key) or () if one.get("name") not in volumes]
    if left:
        holder[key] = left
    else:
        holder.pop(key, None)


def _mounting(spec: Mapping[str, Any], raw: Mapping[str, Any], volume: str, directory: str) -> tuple[str, ...]:
    names = []
    for container in _containers(spec):
        mounts = [mount for mount in container.get("volumeMounts") or () if mount.get("name") == volume]
        if container is raw or not mounts:
            continue
        other = next((mount for mount in mounts if _path(mount) != directory or mount.get("subPath")), None)
        if other is not None:
            where = other.get("mountPath")
            raise NotShared(f"container {container.get('name')} has its sockets in {where}, and it in {directory}")
        names.append(str(container.get("name")))
    if not names:
        raise NotShared(f"no container mounts its sockets in {directory}")
    return tuple(names)


def _containers(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*(spec.get(INIT) or ()), *(spec.get(MAIN) or ())]


def _path(mount: Mapping[str, Any]) -> str:
    return str(mount.get("mountPath", "")).rstrip("/")
