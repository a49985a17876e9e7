"""A pod as the planner reads it: its frame and its containers. Never changed; how it is read is in manifest."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

INIT = "initContainers"
MAIN = "containers"
EPHEMERAL = "ephemeralContainers"

DEFAULT_SERVICE_ACCOUNT = "default"


MOST_ADDED = 10_000
"""Variables, or mounts, that the containers of a pod get; with so many it is near to the 1.5 MB that are stored."""


class MalformedPod(ValueError):
    """The JSON is no pod: a member has a type that no API server would send."""


@dataclass(frozen=True, slots=True)
class Container:
    """One container: `place` and `index` say where in the spec; `env` maps names to literal values, None for valueFrom.

    `words` are command and arguments; `entrypoint` is whether they begin with a command. `ports` are the TCP ports
    that it declares, or that its probes and hooks call. `mounts` are the paths of its volume mounts; `requests` and
    `limits` are quantities by resource. `windows` is whether it has options for Windows.
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
    windows: bool
    known: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Frame:
    """All of a pod but its containers.

    `node` is where it is bound to, "" when the scheduler decides. `grace` is seconds after SIGTERM. `requests`
    and `limits` are those of the pod as a whole; `volumes` and `pull_secrets` are names. The name of the volume with
    the pod's token is the same in all pods. `windows` is whether it says so without its containers. `owner` is the
    kind of the controller that makes it, "" without one.
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
    owner: str
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    volumes: tuple[str, ...]
    pull_secrets: tuple[str, ...]
    known: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod."""

    frame: Frame
    init: tuple[Container, ...]
    main: tuple[Container, ...]
    ephemeral: tuple[Container, ...]

    @property
    def windows(self) -> bool:
        """Whether it runs on Windows."""
        return self.frame.windows or any(container.windows for container in self.containers)

    @property
    def containers(self) -> Iterator[Container]:
        """Containers that can be given an environment: init containers, then the others."""
        yield from self.init
        yield from self.main
