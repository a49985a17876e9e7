"""A pod's volumes as folders of this machine, written whole before its containers start and kept fresh afterwards.

ConfigMap, Secret, downward API and projected volumes change as the real ones: files are links through `..data`, which
is replaced in one step. An emptyDir is a folder, whatever its medium.
"""

import base64
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from controlplane.kubelet.api import Api, Json
from controlplane.kubelet.environment import Look, Missing, Objects, Place, field, resource
from controlplane.kubelet.mounts import Mount
from controlplane.kubelet.podspec import Container, Pod

REFRESH_AT = 0.8
"""The part of a token's life after which a new one is asked for: Kubernetes docs, projected volumes."""

TOKEN_SECONDS = 3600

Create = Callable[[str, Json], Json]
"""Creates an object at a path of the API, and gives what was created: here, tokens."""


@dataclass(frozen=True, slots=True)
class File:
    """What a file holds, and its permissions."""

    data: bytes
    mode: int


def objects(api: Api, namespace: str) -> Objects:
    """The ConfigMaps and Secrets of a namespace, read at each question."""

    def read(kind: str, name: str) -> Mapping[str, bytes] | None:
        found = api.find(f"/api/v1/namespaces/{namespace}/{kind}/{name}")
        if found is None:
            return None
        if kind == "secrets":
            return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
        texts = {key: value.encode() for key, value in (found.get("data") or {}).items()}
        return texts | {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}

    return Objects(lambda name: read("configmaps", name), lambda name: read("secrets", name))


class Volumes:
    """The volumes of one pod, under one folder."""

    def __init__(self, create: Create, place: Place, directory: Path) -> None:
        self._create = create
        self._place = place
        self._directory = directory
        self._written: dict[str, dict[str, File]] = {}
        self._tokens: dict[tuple[str, int], tuple[bytes, float]] = {}

    def refresh(self, pod: Pod) -> None:
        """Write what is missing or has changed.

        Raises:
            Missing: an object that is not optional is not there.
        """
        self._place = Place(pod, self._place.ip, self._place.objects)
        for volume in pod.spec.get("volumes", ()):
            name, folder = volume["name"], self._directory / volume["name"]
            if "emptyDir" in volume or len(volume) == 1:
                _make_folder(folder, 0o777)
                continue
            try:
                files = dict(self._files(volume))
            except Missing as missing:
                raise Missing(f'MountVolume.SetUp failed for volume "{name}" : {missing}') from missing
            if self._written.get(name) != files:
                _make_folder(folder, 0o755)
                _replace(folder, files)
                self._written[name] = files

    def mounts(self, container: Container) -> Iterator[Mount]:
        """Where the container sees them. A subPath that is not there is made as a folder, as Kubernetes does."""
        for told in container.told.get("volumeMounts", ()):
            source = self._directory / told["name"]
            if told.get("subPath"):
                source = _within(source, told["subPath"])
            volume = next(one for one in self._place.pod.spec["volumes"] if one["name"] == told["name"])
            writable = "emptyDir" in volume or len(volume) == 1
            yield Mount(str(source), told["mountPath"], bool(told.get("readOnly")) or not writable)

    def remove(self) -> None:
        """Take them all away."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _files(self, volume: Json) -> Iterator[tuple[str, File]]:
        if "projected" in volume:
            mode = volume["projected"].get("defaultMode", 0o644)
            for source in volume["projected"].get("sources", ()):
                yield from self._source(source, mode)
        else:
            told = dict(next(value for key, value in volume.items() if key != "name"))
            kind = next(key for key in volume if key != "name")
            told.setdefault("name", told.get("secretName", ""))
            yield from self._source({kind: told}, told.get("defaultMode", 0o644))

    def _source(self, source: Json, mode: int) -> Iterator[tuple[str, File]]:
        if "serviceAccountToken" in source:
            told = source["serviceAccountToken"]
            yield told["path"], File(self._token(told), mode)
        elif "downwardAPI" in source:
            for item in source["downwardAPI"].get("items", ()):
                yield item["path"], File(self._downward(item).encode(), item.get("mode", mode))
        elif "configMap" in source:
            yield from _chosen("configmap", self._place.objects.config_map, source["configMap"], mode)
        elif "secret" in source:
            yield from _chosen("secret", self._place.objects.secret, source["secret"], mode)
        else:
            raise Missing(f"projected source {', '.join(source)} is not known here")

    def _downward(self, item: Json) -> str:
        if "resourceFieldRef" in item:
            return resource(self._place.pod, item["resourceFieldRef"], None)
        return field(self._place, item["fieldRef"]["fieldPath"])

    def _token(self, told: Json) -> bytes:
        audience, seconds = told.get("audience", ""), int(told.get("expirationSeconds", TOKEN_SECONDS))
        token, until = self._tokens.get((audience, seconds), (b"", 0.0))
        if time.monotonic() < until:
            return token
        pod = self._place.pod
        account = pod.spec.get("serviceAccountName", "default")
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
        spec = {"audiences": [audience] if audience else [], "expirationSeconds": seconds, "boundObjectRef": bound}
        path = f"/api/v1/namespaces/{pod.namespace}/serviceaccounts/{account}/token"
        token = str(self._create(path, {"spec": spec})["status"]["token"]).encode()
        self._tokens[audience, seconds] = (token, time.monotonic() + seconds * REFRESH_AT)
        return token


def _chosen(kind: str, look: Look, told: Json, mode: int) -> Iterator[tuple[str, File]]:
    found = look(told["name"])
    if found is None and not told.get("optional"):
        raise Missing(f'{kind} "{told["name"]}" not found')
    data = found or {}
    if not told.get("items"):
        yield from ((key, File(value, mode)) for key, value in data.items())
        return
    for item in told["items"]:
        if item["key"] in data:
            yield item["path"], File(data[item["key"]], item.get("mode", mode))
        elif not told.get("optional"):
            raise Missing(f"references non-existent {kind} key: {item['key']}")


def _make_folder(folder: Path, mode: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(mode)


def _replace(folder: Path, files: Mapping[str, File]) -> None:
    """Write a new version beside the old one and turn the link `..data` to it."""
    version = folder / f"..{time.time_ns()}"
    for name, file in files.items():
        path = version / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(file.mode)
        path.write_bytes(file.data)
        path.chmod(file.mode)
    version.mkdir(exist_ok=True)
    old = folder / (folder / "..data").readlink() if (folder / "..data").is_symlink() else None
    (folder / "..next").symlink_to(version.name)
    (folder / "..next").rename(folder / "..data")
    _link(folder, {name.split("/")[0] for name in files})
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _link(folder: Path, names: set[str]) -> None:
    for path in folder.iterdir():
        if not path.name.startswith("..") and path.name not in names:
            path.unlink()
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


def _within(volume: Path, path: str) -> Path:
    inner = Path(os.path.realpath(volume / path))
    if not inner.is_relative_to(os.path.realpath(volume)):
        raise Missing(f"subPath {path} leads out of the volume")
    if not inner.exists():
        _make_folder(inner, 0o777)
    return inner
