"""The annotation that injection leaves on a pod: the user's proof of what was done, and ours that it was."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator.core.injection.facts import UserFact
from cloudsql_iam_operator.core.injection.sidecar.container import NAME, Proxy, container
from cloudsql_iam_operator.core.injection.sidecar.ports import Ports

VERSION = 1


@dataclass(frozen=True, slots=True)
class Marker:
    """What an earlier injection did: for which user (`namespace/name`) of which instance, and with which ports."""

    user: str
    connection: str
    ports: Ports
    image: str
    digest: str


def text(proxy: Proxy, namespace: str, user: UserFact, environment: Iterable[str]) -> str:
    """The annotation's value: JSON, the same for the same injection."""
    value = {
        "v": VERSION,
        "container": NAME,
        "native": True,
        "image": proxy.image,
        "user": f"{namespace}/{user.name}@{user.generation}",
        "instances": [{"name": proxy.instance.connection, "port": proxy.ports.database}],
        "httpPort": proxy.ports.http,
        "adminPort": proxy.ports.admin,
        "env": list(environment),
        "skipped": None,
        "hash": digest(proxy),
    }
    return json.dumps(value, separators=(",", ":"))


def digest(proxy: Proxy) -> str:
    """Twelve hexadecimal digits that change when the container would be another."""
    written = json.dumps(container(proxy), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()[:12]


def read(value: str) -> Marker | None:
    """The marker in an annotation's value; None when it is none that any version of ours writes."""
    try:
        parts = json.loads(value)
        return _marker(parts) if isinstance(parts, dict) and parts["container"] == NAME else None
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def _marker(parts: dict[str, Any]) -> Marker:
    instance = parts["instances"][0]
    return Marker(
        user=str(parts["user"]).partition("@")[0],
        connection=str(instance["name"]),
        ports=Ports(int(instance["port"]), int(parts["httpPort"]), int(parts["adminPort"])),
        image=str(parts["image"]),
        digest=str(parts["hash"]),
    )
