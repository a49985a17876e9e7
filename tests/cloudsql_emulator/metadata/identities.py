"""Who a caller of the metadata server is, by its address: from a table, or from the cluster that it is a pod of."""

import base64
import functools
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import yaml

ANNOTATION = "iam.gke.io/gcp-service-account"
_OVER = {"Succeeded", "Failed"}


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller's identity. `email` is the service account that it acts as, None when it acts as itself.

    `workload` is the IAM member of its Kubernetes ServiceAccount, None outside of a cluster, where nothing but the
    service account counts.
    """

    email: str | None
    workload: str | None = None


class Identities(Protocol):
    """Tells callers by their addresses."""

    async def identity_of(self, address: str) -> Identity | None:
        """The caller at an address; None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class StaticIdentities:
    """A table of addresses, and who everybody else is."""

    by_address: Mapping[str, str]
    default: str | None = None

    async def identity_of(self, address: str) -> Identity | None:
        """The table's answer."""
        email = self.by_address.get(address, self.default)
        return Identity(email) if email else None


class ClusterIdentities:
    """Pods by their status.podIP, and the Google account that their ServiceAccount is annotated with, as on GKE."""

    def __init__(self, kubeconfig: Path, pool: str) -> None:
        self._kubeconfig = kubeconfig
        self._pool = pool

    async def identity_of(self, address: str) -> Identity | None:
        """The pod's identity, asked of the API server each time.

        Raises:
            aiohttp.ClientError: the API server does not answer.
        """
        cluster = self._cluster
        async with aiohttp.ClientSession(cluster.server, headers=cluster.headers) as session:
            pods = await _get(session, cluster, f"/api/v1/pods?fieldSelector=status.podIP%3D{address}")
            running = [pod for pod in pods["items"] if pod["status"].get("phase") not in _OVER]
            if not running:
                return None
            namespace = running[0]["metadata"]["namespace"]
            name = running[0]["spec"].get("serviceAccountName", "default")
            account = await _get(session, cluster, f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}")
        annotations = account["metadata"].get("annotations") or {}
        return Identity(annotations.get(ANNOTATION), f"serviceAccount:{self._pool}[{namespace}/{name}]")

    @functools.cached_property
    def _cluster(self) -> "_Cluster":
        # read at the first request: the cluster may be started after the emulator
        return _cluster(yaml.safe_load(self._kubeconfig.read_text()))


@dataclass(frozen=True, slots=True)
class _Cluster:
    server: str
    headers: Mapping[str, str]
    tls: ssl.SSLContext | bool


async def _get(session: aiohttp.ClientSession, cluster: _Cluster, path: str) -> Any:
    async with session.get(path, ssl=cluster.tls, raise_for_status=True) as response:
        return await response.json()


def _cluster(config: Mapping[str, Any]) -> _Cluster:
    context = next(each["context"] for each in config["contexts"] if each["name"] == config["current-context"])
    cluster = next(each["cluster"] for each in config["clusters"] if each["name"] == context["cluster"])
    user = next(each["user"] for each in config["users"] if each["name"] == context["user"])
    token = user.get("token")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    tls = _tls(cluster, user) if cluster["server"].startswith("https:") else False
    return _Cluster(cluster["server"], headers, tls)


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = _content(cluster, "certificate-authority")
    tls = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate, key = _content(user, "client-certificate"), _content(user, "client-key")
    if certificate and key:
        # The ssl module reads keys from files only.
        with tempfile.NamedTemporaryFile(prefix="csql") as file:
            file.write(certificate + b"\n" + key)
            file.flush()
            tls.load_cert_chain(file.name)
    return tls


def _content(record: Mapping[str, Any], name: str) -> bytes | None:
    if f"{name}-data" in record:
        return base64.b64decode(record[f"{name}-data"])
    return Path(record[name]).read_bytes() if name in record else None
