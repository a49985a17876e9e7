"""Volumes that the proxy shares with the chosen containers (sockets), or has for itself (credentials)."""

from collections.abc import Iterator, Sequence
from typing import Any

from cloudsql_iam_operator.api.injection.access import CREDENTIALS_SECRET
from cloudsql_iam_operator.api.injection.annotation import Wishes
from cloudsql_iam_operator.api.injection.application import UNIX_SOCKET
from cloudsql_iam_operator.core.injection.outcome import Code, Refusal
from cloudsql_iam_operator.core.injection.patch import Add, inserted
from cloudsql_iam_operator.core.injection.pod import MOST_ADDED, Container, Frame
from cloudsql_iam_operator.core.injection.targets import Target

CREDENTIALS = "/var/run/secrets/cloudsql-proxy"
"""Where the proxy, and nobody else, has the key."""

SOCKETS_VOLUME = "cloudsql-proxy-sockets"
CREDENTIALS_VOLUME = "cloudsql-proxy-credentials"


def of_proxy(targets: Sequence[Target], wishes: Wishes) -> list[dict[str, Any]]:
    """Mounts of the proxy."""
    secret = wishes[CREDENTIALS_SECRET]
    key = [{"name": CREDENTIALS_VOLUME, "mountPath": CREDENTIALS, "readOnly": True}] if secret else []
    return [*socket_mounts(targets), *key]


def socket_mounts(targets: Sequence[Target]) -> list[dict[str, Any]]:
    """Mounts of everybody who reaches the sockets."""
    return [{"name": name, "mountPath": directory} for name, directory in _directories(targets)]


def volume_operations(pod: Frame, targets: Sequence[Target], wishes: Wishes) -> list[Add]:
    """Operations that add the volumes; what is there already is left.

    Raises:
        Refusal: the pod has another volume of such a name.
    """
    wanted: list[dict[str, Any]] = [{"name": name, "emptyDir": {}} for name, _ in _directories(targets)]
    secret = wishes[CREDENTIALS_SECRET]
    if secret is not None:
        source = {"secretName": secret.name, "items": [{"key": secret.key, "path": secret.key}]}
        wanted.append({"name": CREDENTIALS_VOLUME, "secret": source})
    taken = next((volume["name"] for volume in wanted if volume["name"] in pod.volumes), "")
    if taken:
        raise Refusal(Code.POD_SHAPE, f"it has a volume named {taken} of its own: give that another name")
    return inserted(("spec", "volumes"), len(pod.volumes), wanted, list(pod.volumes))


def mount_operations(containers: Sequence[Container], targets: Sequence[Target]) -> list[Add]:
    """Operations that give the containers the sockets; those that have them are left.

    Raises:
        Refusal: a container has something else there.
    """
    added: list[Add] = []
    wanted = socket_mounts(targets)
    for container in containers if wanted else ():
        missing = [mount for mount in wanted if mount["mountPath"] not in container.mounts]
        steps = ("spec", container.place, container.index, "volumeMounts")
        added += inserted(steps, len(container.mounts), missing, list(container.mounts))
    return added


def refuse_occupied(containers: Sequence[Container], targets: Sequence[Target]) -> None:
    """Make sure that no container has something else where the sockets go.

    Raises:
        Refusal: one has, or all together get more mounts than an object can hold.
    """
    mounts = len(containers) * len(list(_directories(targets)))
    if mounts > MOST_ADDED:
        raise Refusal(
            Code.ANNOTATION,
            f"{len(containers)} containers would get {mounts} mounts together, and {MOST_ADDED} are the most: put the "
            "sockets into one directory",
        )
    for _, directory in _directories(targets):
        for container in containers:
            if directory in (mount.rstrip("/") for mount in container.mounts):
                raise Refusal(
                    Code.ANNOTATION,
                    f"{UNIX_SOCKET} is {directory}, where container {container.name} mounts something else: "
                    "choose another directory",
                )


def _directories(targets: Sequence[Target]) -> Iterator[tuple[str, str]]:
    """Volume and directory of the sockets; one volume for each directory."""
    directories = dict.fromkeys(target.socket for target in targets if target.socket)
    for number, directory in enumerate(directories, start=1):
        yield SOCKETS_VOLUME if number == 1 else f"{SOCKETS_VOLUME}-{number}", directory
