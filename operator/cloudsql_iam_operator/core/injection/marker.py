"""The annotation that injection leaves on a pod: the user's proof of what was done, and ours that it was."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from cloudsql_iam_operator.api.injection.values import LAST_PORT
from cloudsql_iam_operator.core.injection.sidecar.container import NAME, Proxy
from cloudsql_iam_operator.core.injection.sidecar.ports import Ports
from cloudsql_iam_operator.core.injection.targets import Target

VERSION = 1


@dataclass(frozen=True, slots=True)
class Marker:
    """What an earlier injection did: for which users (`namespace/name`, with commas), and for which instances.

    `listening` are the ports of the instances by name, None for one with a socket; `ports` the proxy's own.
    """

    users: str
    listening: Mapping[str, int | None]
    ports: Ports
    image: str
    digest: str

    def with_ports(self, targets: Sequence[Target]) -> tuple[Target, ...]:
        """The targets with the ports that were chosen then."""
        return tuple(replace(target, port=self.listening.get(target.connection)) for target in targets)


def text(proxy: Proxy, built: Mapping[str, Any], users: str, environment: Iterable[str]) -> str:
    """The annotation's value: JSON, the same for the same injection.

    `built` is the proxy's container; `users` are `namespace/name@generation`.
    """
    value = {
        "v": VERSION,
        "container": NAME,
        "native": proxy.form.native,
        "image": proxy.image,
        "user": users,
        "instances": [_instance(target) for target in proxy.targets],
        "httpPort": proxy.ports.http,
        "adminPort": proxy.ports.admin,
        "env": list(environment),
        "skipped": None,
        "hash": digest(built),
    }
    return orjson.dumps(value).decode()


def text_without_proxy(targets: Sequence[Target], users: str, environment: Iterable[str]) -> str:
    """The same for a pod whose application connects by itself."""
    instances = [{"name": target.connection} for target in targets]
    value = {"v": VERSION, "container": None, "user": users, "instances": instances, "env": list(environment)}
    return orjson.dumps(value).decode()


def digest(built: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that change when the proxy's container would be another."""
    written = orjson.dumps(built, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(written).hexdigest()[:12]


def read(value: str) -> Marker | None:
    """The marker in an annotation's value; None when it is none that any version of ours writes."""
    try:
        parts = orjson.loads(value)
        return _marker(parts) if isinstance(parts, dict) and parts["container"] == NAME else None
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def _marker(parts: dict[str, Any]) -> Marker:
    users = (one.partition("@")[0] for one in str(parts["user"]).split(","))
    return Marker(
        users=",".join(users),
        listening={str(one["name"]): _port(one.get("port")) for one in parts["instances"]},
        ports=Ports(_number(parts["httpPort"]), _port(parts["adminPort"])),
        image=str(parts["image"]),
        digest=str(parts["hash"]),
    )


def _instance(target: Target) -> dict[str, Any]:
    listening = {"socket": target.socket} if target.socket else {"port": target.port}
    return {"name": target.connection, **listening}


def _port(value: Any) -> int | None:
    return None if value is None else _number(value)


def _number(value: Any) -> int:
    if type(value) is not int or not 0 < value <= LAST_PORT:
        raise ValueError("no port")
    return value
