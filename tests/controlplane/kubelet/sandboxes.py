"""Pods' sandboxes: an address and a network namespace each; and the order from which a container's run is made."""

import ipaddress
import itertools
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from controlplane.addresses import GATEWAY, POD_NETWORK
from controlplane.kubelet.environment import Place, command, environment
from controlplane.kubelet.instance import Order
from controlplane.kubelet.lives import CannotRun
from controlplane.kubelet.mounts import Etc, Mount
from controlplane.kubelet.podspec import Container, Pod
from controlplane.kubelet.settings import Image, Settings
from controlplane.kubelet.volumes import Volumes
from controlplane.network import PodNamespace

_RESOLV = "# no name server: pods know the names in /etc/hosts only\noptions timeout:1 attempts:1\n"


class Addresses:
    """Free addresses of the pod network, each given again only when all others were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = {GATEWAY}
        hosts = ipaddress.ip_network(POD_NETWORK).hosts()
        self._next: Iterator[str] = itertools.cycle(str(address) for address in hosts)

    def take(self) -> str:
        """The next free one."""
        with self._lock:
            address = next(one for one in self._next if one not in self._taken)
            self._taken.add(address)
            return address

    def give_back(self, address: str) -> None:
        """Free it."""
        with self._lock:
            self._taken.discard(address)


def end_all_within(namespace: PodNamespace) -> None:
    """Kill every process in the pod's network, whoever started it, the pause process last."""
    try:
        inode = Path(f"/proc/{namespace.pid}/ns/net").stat().st_ino
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal() or int(entry.name) == namespace.pid:
                continue
            # a process may end while it is looked at
            with suppress(OSError):
                if (entry / "ns/net").stat().st_ino == inode:
                    os.kill(int(entry.name), signal.SIGKILL)
    finally:
        namespace.detach()


class Orders:
    """Makes the orders of one pod's containers."""

    def __init__(self, settings: Settings, namespace: PodNamespace, volumes: Volumes) -> None:
        self._settings = settings
        self._namespace = namespace
        self._volumes = volumes

    def order(self, place: Place, container: Container, message: Path) -> Order:
        """How to run the container; `message` is the file that becomes its termination log.

        Raises:
            CannotRun: the images table has no such image.
            Missing: the environment or a volume needs an object that is not there.
        """
        image = self._settings.images.find(container.image)
        if image is None:
            raise CannotRun("ErrImagePull", f"image {container.image!r} is not in {self._settings.images.path}")
        variables = {**image.environment, **environment(place, container)}
        termination = Mount(str(message), container.termination_file, False)
        user, group, groups = self._identity(place.pod, container)
        return Order(
            sandbox=self._namespace.pid,
            hostname=place.pod.spec.get("hostname") or place.pod.name[:63],
            etc=Etc(self._hosts(place), _RESOLV, self._settings.trust),
            mounts=(*_binds(image), *self._volumes.mounts(container), termination),
            command=tuple(command(container, image, variables)),
            environment=variables,
            directory=container.directory,
            user=user,
            group=group,
            groups=groups,
        )

    def _hosts(self, place: Place) -> str:
        lines = ["127.0.0.1\tlocalhost", f"{place.ip}\t{place.pod.name}", *self._settings.hosts]
        aliases = place.pod.spec.get("hostAliases", ())
        lines += [f"{alias['ip']}\t{' '.join(alias.get('hostnames', ()))}" for alias in aliases]
        return "\n".join(lines) + "\n"

    def _identity(self, pod: Pod, container: Container) -> tuple[int | None, int | None, tuple[int, ...]]:
        if not self._settings.run_as_user or os.geteuid() != 0:
            return None, None, ()
        whole = pod.spec.get("securityContext") or {}
        told = {**whole, **(container.told.get("securityContext") or {})}
        return told.get("runAsUser"), told.get("runAsGroup"), tuple(whole.get("supplementalGroups", ()))


def _binds(image: Image) -> Iterator[Mount]:
    return (Mount(source, target, True) for target, source in image.binds.items())
