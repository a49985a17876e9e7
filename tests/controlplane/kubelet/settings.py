"""What a kubelet is told at its start, read from one JSON file; nothing is looked up elsewhere."""

import fnmatch
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Image:
    """What stands for an image name: the pattern of names, the command, its environment, and files put into the root.

    `binds` maps a path in the container to one on this machine.
    """

    pattern: str
    entrypoint: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    binds: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Images:
    """The table of images, searched from the top."""

    path: Path
    images: tuple[Image, ...]

    def find(self, name: str) -> Image | None:
        """The first image whose pattern matches; None when the table holds none."""
        return next((image for image in self.images if fnmatch.fnmatchcase(name, image.pattern)), None)


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it. `hosts` are further lines of every pod's hosts file; `trust` is a bundle of CA certificates, or "".

    `streams` is the program for exec and port-forward, None for neither. `run_as_user` makes runAsUser and runAsGroup
    hold: then every file that containers read must be readable to all.
    """

    kubeconfig: Path
    node: str
    directory: Path
    images: Images
    hosts: tuple[str, ...]
    trust: str
    run_as_user: bool
    streams: Path | None = None


def load(path: Path) -> Settings:
    """The settings in a JSON file: kubeconfig, node, directory, images; the others when they are wanted."""
    told = json.loads(path.read_text())
    return Settings(
        kubeconfig=Path(told["kubeconfig"]),
        node=told["node"],
        directory=Path(told["directory"]),
        images=_images(Path(told["images"])),
        hosts=tuple(told.get("hosts", ())),
        trust=told.get("trust", ""),
        run_as_user=bool(told.get("run_as_user", False)),
        streams=Path(told["streams"]) if told.get("streams") else None,
    )


def _images(path: Path) -> Images:
    return Images(path, tuple(_image(one) for one in json.loads(path.read_text())))


def _image(told: Mapping[str, Any]) -> Image:
    return Image(
        pattern=told["image"],
        entrypoint=tuple(told.get("entrypoint", ())),
        arguments=tuple(told.get("args", ())),
        environment=dict(told.get("env", {})),
        binds=dict(told.get("binds", {})),
    )
