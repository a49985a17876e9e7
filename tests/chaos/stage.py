"""The objects of the story, as a platform team and two tenants apply them, and how their state shows."""

from collections.abc import Iterable, Mapping
from typing import Any

from chaos.ground import OURS, Ground
from e2e import world
from e2e.waiting import eventually

API = "iam.cloudsql.dev/v1alpha1"
SHOP, BILLING = "shop", "billing"


class Stage:
    """What is applied, deleted and waited for."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self._kubectl = ground.kubectl

    def build(self) -> None:
        """Make namespaces and accounts."""
        for namespace in (SHOP, BILLING):
            self._kubectl.declare({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for name, namespace in OURS.items():
            self.ground.account(name, namespace)

    def instance(self, name: str, *namespaces: str, **spec: Any) -> None:
        rule = {
            "name": "teams",
            "namespaces": {"names": list(namespaces)},
            "principals": {"kubernetesServiceAccounts": "Verified"},
            "databases": ["orders"],
            "schemas": ["app"],
            "databaseRoles": ["app_ro", "app_rw", "app_owner"],
            "privileges": ["USAGE", "SELECT", "INSERT", "UPDATE"],
            "allowAdoption": True,
        }
        told = {
            "connectionName": world.CONNECTION,
            "admin": {"database": {"ownerRoles": ["app_owner"]}},
            "access": [rule],
            **spec,
        }
        self._declare("CloudSQLInstance", name, "", told)

    def user(self, name: str, namespace: str, account: str = "", instance: str = "orders", **spec: Any) -> None:
        principal = {"kubernetesServiceAccount": {"name": account or name}}
        self._declare(
            "CloudSQLIAMUser", name, namespace, {"instanceRef": {"name": instance}, "principal": principal, **spec}
        )

    def grant(self, name: str, namespace: str, user: str, **spec: Any) -> None:
        told = {"instanceRef": {"name": "orders"}, "database": "orders", "grantees": [{"userRef": {"name": user}}]}
        self._declare("DatabaseGrant", name, namespace, {**told, **spec})

    def delete(self, *objects: tuple[str, str, str]) -> None:
        """Delete all at once, and wait for none; kind, name and namespace of each."""
        for kind, name, namespace in objects:
            self._kubectl.delete(kind, name, namespace=namespace, wait=False)

    def ready(self, *objects: tuple[str, str, str], status: str = "True", reason: str = "") -> None:
        for kind, name, namespace in objects:
            self._kubectl.ready(kind, name, namespace, status=status, reason=reason)

    def gone(self, *objects: tuple[str, str, str]) -> None:
        for kind, name, namespace in objects:
            self._kubectl.gone(kind, name, namespace)

    def has(self, access: Iterable[str]) -> None:
        """Return once this is the access there is, each once."""

        def look() -> bool:
            there = self.ground.access()
            assert dict(there) == dict.fromkeys(access, 1), (
                f"too much: {sorted(set(there) - set(access))}, missing: {sorted(set(access) - set(there))}, {there}"
            )
            return True

        eventually(look, "access is as declared")

    def _declare(self, kind: str, name: str, namespace: str, spec: Mapping[str, Any]) -> None:
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        self._kubectl.declare({"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec})
