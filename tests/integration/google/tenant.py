"""One tenant's CloudSQLIAMUser: the real reconciler, the emulated Google, and ten lines for the cluster."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from cloudsql_iam_operator.adapters.google.client import Caller
from cloudsql_iam_operator.adapters.google.resource_manager import ResourceManager
from cloudsql_iam_operator.adapters.google.service_accounts import ServiceAccounts
from cloudsql_iam_operator.adapters.google.sqladmin import SQLAdmin
from cloudsql_iam_operator.api.annotations import REQUESTED_AT
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import API_VERSION, FINALIZER, INSTANCE, USER, Key
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.services.identities.google import Google
from cloudsql_iam_operator.services.reconcilers.principal import Principals
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.reconcilers.user import UserReconciler
from cloudsql_iam_operator.services.reconcilers.users.observing import Drifts
from cloudsql_iam_operator.services.runtime.objects import instance_named
from cloudsql_iam_operator.services.runtime.registry import Live
from cloudsql_iam_operator.services.runtime.reports import Report, status_of
from cloudsql_iam_operator.services.runtime.threads import Threads
from integration.google.ground import ORDERS, PATIENCE, Ground

CHECKOUT_KEY = Key(USER.name, "orders", "checkout")
ORDERS_KEY = Key(INSTANCE.name, "", "orders")
RULE = {
    "name": "orders-team",
    "namespaces": {"names": ["orders"]},
    "principals": {"kubernetesServiceAccounts": "Verified"},
    "databases": ["orders"],
}


class OneNamespace:
    """A cluster with one ServiceAccount that is bound to one Google account; `bodies` are the objects in it."""

    def __init__(self) -> None:
        self.bodies: dict[Key, dict[str, Any]] = {}
        self.labels: Mapping[str, str] | None = {}

    def google_account(self, namespace: str, name: str) -> str:
        return f"{name}@acme-prod.iam.gserviceaccount.com"

    def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        return self.labels

    def kind_is_going(self, kind: object) -> bool:
        return False

    def apply_status(self, key: Key, uid: str, status: Mapping[str, Any]) -> dict[str, Any]:
        self.bodies[key] = {**self.bodies[key], "status": dict(status)}
        return self.bodies[key]


class Identities:
    """The APIs of one identity, whatever the instance says; `identity` may be exchanged."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.identity = ground.caller.identity

    def knows(self, instance: CloudSQLInstance) -> bool:
        return self.identity.is_known

    def of(self, instance: CloudSQLInstance) -> Google:
        endpoints, caller = self._ground.endpoints, Caller(self.identity, lambda: None)
        return Google(
            self.identity,
            SQLAdmin(endpoints, caller, PATIENCE),
            ResourceManager(endpoints, caller),
            ServiceAccounts(endpoints, caller),
        )


class Tenant:
    """The object and what reconciles it. Belongs to one event loop."""

    def __init__(self, ground: Ground, drifts: Drifts | None = None, **rule: Any) -> None:
        """`rule` is more of the access rule; `spec` and `uid` of the object may be changed between looks."""
        self.spec: dict[str, Any] = {}
        self.uid = "uid-checkout"
        self.identities = Identities(ground)
        self._threads = Threads(4)
        self._cluster = OneNamespace()
        cluster: Any = self._cluster
        identities: Any = self.identities
        nowhere: Any = None
        self.systems = Systems(cluster, self._threads, identities, nowhere, "")
        principals = Principals(
            cluster, self._threads, identities, lambda: "acme-prod.svc.id.goog", lambda: datetime.now(UTC)
        )
        self._users = UserReconciler(self.systems, principals, drifts)
        self.systems.announce = self._users.announce
        self.systems.registry.listed = True
        self._looks = 0
        self.instance_with({**RULE, **rule})
        self._status: dict[str, Any] = {}

    @property
    def status(self) -> Mapping[str, Any]:
        """The status as stored last."""
        return self._status

    def instance_with(self, *rules: Mapping[str, Any], **spec: Any) -> None:
        """Apply the instance with these access rules; `spec` is more of it."""
        self._show(ORDERS_KEY, {"connectionName": str(ORDERS), "access": list(rules), **spec}, {})

    def made_anew(self, uid: str) -> None:
        """Somebody deleted the object and made another of its name; what the first had caused is taken back or not."""
        live = self.systems.registry.get(CHECKOUT_KEY)
        assert live is not None
        self.systems.registry.end(CHECKOUT_KEY, live.uid)
        self.systems.forget(CHECKOUT_KEY)
        self.uid, self._status = uid, {}

    def end_namespace(self) -> None:
        """The namespace is gone, though an object in it is still known."""
        self._cluster.labels = None

    async def look(self) -> Report:
        """Reconcile as a person asks for it, from fresh reads, and store the status."""
        live = self._seen()
        report = await self._users.reconcile(live)
        self._status = status_of(live, report, datetime.now(UTC))
        return report

    async def remove(self, **annotations: str) -> Report:
        """Take back what was given, as for a deletion."""
        live = self._seen(annotations, deletionTimestamp="2026-01-02T00:00:00Z")
        report = await self._users.remove(live)
        self._status = status_of(live, report, datetime.now(UTC))
        return report

    def close(self) -> None:
        self._threads.close()

    @property
    def instance(self) -> CloudSQLInstance:
        """The instance that the object names."""
        return instance_named(self.systems.registry, "orders")

    async def forget_facts(self) -> None:
        """Have the next look read the instance anew, whatever is answered now."""
        with suppress(NotYet):
            await self.systems.facts(self.instance, fresh=True)

    def _seen(self, annotations: Mapping[str, str] | None = None, **metadata: str) -> Live:
        self._looks += 1
        asked: dict[str, Any] = {"annotations": {REQUESTED_AT: str(self._looks), **(annotations or {})}, **metadata}
        spec = {"instanceRef": {"name": "orders"}, "principal": {"kubernetesServiceAccount": {"name": "checkout"}}}
        asked["uid"] = self.uid
        return self._show(CHECKOUT_KEY, {**spec, **self.spec}, asked, self._status)

    def _show(
        self, key: Key, spec: Mapping[str, Any], more: Mapping[str, Any], status: Mapping[str, Any] | None = None
    ) -> Live:
        before = self._cluster.bodies.get(key, {"spec": spec, "metadata": {"generation": 1}})
        metadata = {
            "name": key.name,
            "namespace": key.namespace,
            "uid": f"uid-{key.name}",
            "generation": before["metadata"]["generation"] + (before["spec"] != spec),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": [FINALIZER],
            **more,
        }
        body = {"apiVersion": API_VERSION, "kind": key.kind, "metadata": metadata, "spec": spec, "status": status or {}}
        self._cluster.bodies[key] = body
        self.systems.registry.put(key, body)
        live = self.systems.registry.get(key)
        assert live is not None
        return live
