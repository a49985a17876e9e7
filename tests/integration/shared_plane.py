"""The control plane that the tests of `cluster` share: a start costs as much as fifty tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controlplane import binaries, network
from controlplane.binaries import Binaries
from controlplane.plane import ControlPlane
from e2e.kubectl import Kubectl

CRDS = Path(__file__).parents[2] / "crds"


@dataclass(frozen=True, slots=True)
class SharedPlane:
    """A control plane that holds the CRDs and the namespace `early`, made before its controllers started."""

    plane: ControlPlane
    programs: Binaries
    kubectl: Kubectl
    before: list[str]
    """The processes that there were then."""


@contextmanager
def shared_plane(directory: Path) -> Iterator[SharedPlane]:
    """Started, and its controllers at work, for as long as the block lasts."""
    network.prepare()
    programs = binaries.ensure()
    plane = ControlPlane(directory, programs)
    shared = SharedPlane(plane, programs, Kubectl(programs.kubectl, plane.admin), [])

    def before_controllers() -> None:
        shared.kubectl("create", "namespace", "early")
        shared.kubectl("apply", "--server-side", "-f", str(CRDS))
        shared.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
        shared.before.extend(sorted(shared.plane.rss()))

    shared.plane.start(before_controllers)
    try:
        shared.plane.await_controllers()
        yield shared
    finally:
        shared.plane.stop()
