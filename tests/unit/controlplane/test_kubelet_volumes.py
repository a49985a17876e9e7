"""Volumes as folders: what a process finds in them, and how they change."""

import os
from pathlib import Path
from typing import Any

import pytest

from controlplane.kubelet.environment import Missing, Objects, Place
from controlplane.kubelet.logs import Log
from controlplane.kubelet.podspec import Container, Pod, parse
from controlplane.kubelet.volumes import Volumes


def pod(volume: dict[str, Any], *mounts: dict[str, Any]) -> Pod:
    container = {"name": "main", "image": "i", "volumeMounts": list(mounts)}
    meta = {"namespace": "orders", "name": "shop", "uid": "u", "labels": {"app": "shop"}}
    return parse({"metadata": meta, "spec": {"containers": [container], "volumes": [{"name": "v", **volume}]}})


class Store:
    """One ConfigMap `settings`, and the volumes that are made of it. No token is asked for, so no API server either."""

    def __init__(self, directory: Path) -> None:
        self.data: dict[str, bytes] = {}
        self.directory = directory

    def volumes(self, of: Pod) -> Volumes:
        objects = Objects(lambda name: self.data if name == "settings" else None, lambda _: None)
        return Volumes(_no_tokens, Place(of, "198.18.0.7", objects), self.directory)


def _no_tokens(path: str, body: object) -> dict[str, Any]:
    raise AssertionError(f"asked for {path} with {body}")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def main(of: Pod) -> Container:
    return of.containers[0]


def test_files_change_in_one_step_and_vanish_with_their_keys(store: Store) -> None:
    of = pod({"configMap": {"name": "settings"}})
    volumes = store.volumes(of)
    store.data = {"a": b"1", "b": b"2"}
    volumes.refresh(of)
    before = os.path.realpath(store.directory / "v/a")

    store.data = {"a": b"3"}
    volumes.refresh(of)

    assert (store.directory / "v/a").read_bytes() == b"3"
    assert sorted(path.name for path in (store.directory / "v").iterdir() if path.is_file()) == ["a"]
    assert not Path(before).exists()


def test_an_unchanged_object_is_not_written_again(store: Store) -> None:
    of = pod({"configMap": {"name": "settings"}})
    volumes = store.volumes(of)
    store.data = {"a": b"1"}
    volumes.refresh(of)
    before = os.path.realpath(store.directory / "v/a")

    volumes.refresh(of)

    assert os.path.realpath(store.directory / "v/a") == before


def test_items_choose_keys_paths_and_modes(store: Store) -> None:
    items = [{"key": "a", "path": "deep/one", "mode": 0o400}]
    of = pod({"configMap": {"name": "settings", "items": items}})
    store.data = {"a": b"1", "b": b"2"}

    store.volumes(of).refresh(of)

    file = store.directory / "v/deep/one"
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"1", 0o400)
    assert not (store.directory / "v/b").exists()


def test_labels_of_the_pod_can_be_a_file(store: Store) -> None:
    of = pod({"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}})

    store.volumes(of).refresh(of)

    assert (store.directory / "v/labels").read_text() == 'app="shop"'


def test_a_missing_object_is_named_with_its_volume(store: Store) -> None:
    of = pod({"configMap": {"name": "nothing"}})

    with pytest.raises(Missing, match='volume "v" : configmap "nothing" not found'):
        store.volumes(of).refresh(of)


def test_a_missing_optional_object_is_an_empty_folder(store: Store) -> None:
    of = pod({"configMap": {"name": "nothing", "optional": True}})

    store.volumes(of).refresh(of)

    assert (store.directory / "v").is_dir()


def test_only_an_empty_dir_can_be_written_to(store: Store) -> None:
    mount = {"name": "v", "mountPath": "/v"}
    scratch, settings = pod({"emptyDir": {}}, mount), pod({"configMap": {"name": "settings"}}, mount)

    assert [one.read_only for one in store.volumes(scratch).mounts(main(scratch))] == [False]
    assert [one.read_only for one in store.volumes(settings).mounts(main(settings))] == [True]


def test_a_sub_path_may_not_leave_the_volume(store: Store) -> None:
    of = pod({"emptyDir": {}}, {"name": "v", "mountPath": "/v", "subPath": "../../etc"})
    volumes = store.volumes(of)
    volumes.refresh(of)

    with pytest.raises(Missing, match="leads out of the volume"):
        list(volumes.mounts(main(of)))


@pytest.mark.parametrize(
    ("lines", "most", "text"),
    [(None, None, b"a\nb\nc"), (2, None, b"b\nc"), (0, None, b""), (9, None, b"a\nb\nc"), (None, 3, b"a\nb")],
)
def test_a_log_is_read_as_far_as_it_is_wanted(tmp_path: Path, lines: int | None, most: int | None, text: bytes) -> None:
    file = tmp_path / "0.log"
    file.write_bytes(b"a\nb\nc")

    assert b"".join(Log(file, lambda: False, lines, most).read()) == text
