"""Two objects that declare one principal, on the real reconciler and lanes; Google and the cluster are few lines."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from cloudsql_iam_operator.adapters.google.sqladmin import NewUser
from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.api.names import API_VERSION, FINALIZER, INSTANCE, USER, Key
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.instances import InstanceFacts
from cloudsql_iam_operator.core.users.plan import DatabaseUser
from cloudsql_iam_operator.core.users.principals import UserType
from cloudsql_iam_operator.services.reconcilers.principal import Principals
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.reconcilers.user import UserReconciler
from cloudsql_iam_operator.services.runtime.reports import status_of
from cloudsql_iam_operator.services.runtime.threads import Threads
from unit.services.authority.ground import ACCOUNT, CONNECTION, USERNAME

MEMBER = f"serviceAccount:{ACCOUNT}"
ROUNDS = 12
"""Looks at all objects within which everything has come to rest."""


@dataclass
class Google:
    """A project and an instance: what stands, and what stood after each write."""

    users: dict[str, UserType] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=lambda: {"etag": "0", "bindings": []})
    access: list[bool] = field(default_factory=list)
    """After each write: whether the principal can log in."""
    written: list[str] = field(default_factory=list)
    works_as: tuple[str, ...] = ("op@acme.iam.gserviceaccount.com",)

    def note(self, what: str) -> None:
        self.written.append(what)
        self.access.append(USERNAME in self.users and len(self.roles) == 2)

    @property
    def roles(self) -> set[str]:
        """Roles that the principal has in the project."""
        return {binding["role"] for binding in self.policy["bindings"] if MEMBER in binding["members"]}

    # --- as adapters

    def listed(self, connection: object) -> tuple[DatabaseUser, ...]:
        return tuple(DatabaseUser(name, kind) for name, kind in self.users.items())

    def insert_user(self, connection: object, user: NewUser) -> None:
        self.users[user.name] = user.type
        self.note("insert")

    def delete_user(self, connection: object, name: str) -> None:
        self.users.pop(name, None)  # one that does not exist counts as deleted
        self.note("delete")

    def grant_roles(self, connection: object, name: str, roles: frozenset[str]) -> None:
        self.note(f"grant {', '.join(sorted(roles))}")

    def leave_roles(self, connection: object, name: str, roles: frozenset[str]) -> None:
        self.note(f"leave {', '.join(sorted(roles))}")

    def get_policy(self, project: str) -> Policy:
        return Policy(self.policy)

    def set_policy(self, project: str, policy: Policy) -> Policy:
        self.policy = {**policy.document, "etag": str(len(self.written))}
        self.note("set")
        return Policy(self.policy)

    def instance(self, connection: object) -> InstanceFacts:
        return InstanceFacts("RUNNABLE", False, "POSTGRES_16", True, "", "eu", frozenset())

    def admits(self, email: str, workload: object) -> bool:
        return True

    def knows(self, instance: object) -> bool:
        """Whether a question to an identity needs no thread."""
        return False

    def of(self, instance: object) -> Any:
        """All of Google's APIs, as any identity."""
        sqladmin = SimpleNamespace(
            users=self.listed,
            insert_user=self.insert_user,
            grant_roles=self.grant_roles,
            leave_roles=self.leave_roles,
            delete_user=self.delete_user,
            instance=self.instance,
        )
        return SimpleNamespace(
            sqladmin=sqladmin,
            resource_manager=self,
            service_accounts=self,
            username=lambda: "op@acme.iam",
            identity=SimpleNamespace(accounts=lambda: self.works_as),
        )


class World:
    """A cluster of stored bodies, and an operator process that may be started anew."""

    def __init__(
        self, google: Google | None = None, cluster: str = "", way_in: Callable[[], Access] | None = None
    ) -> None:
        """Without a `way_in` nobody gets into a database."""
        self.google = google or Google()
        self._cluster = cluster
        self._way_in = way_in
        self.bodies: dict[Key, dict[str, Any]] = {}
        self.withdrawal = "Revoke"
        self.iam: dict[str, str] = {}
        self.namespaces = {"orders", "billing"}
        self.accounts: dict[tuple[str, str], str] = {}
        self.events: list[tuple[Key, str]] = []
        self._start()

    def _start(self) -> None:
        self._threads = Threads(2)
        identities: Any = self.google
        cluster: Any = self
        accesses: Any = (
            SimpleNamespace(of=lambda instance, facts: self._way_in()) if self._way_in else SimpleNamespace()
        )
        self.systems = Systems(cluster, self._threads, identities, accesses, self._cluster)
        principals = Principals(cluster, self._threads, identities, lambda: "pool", lambda: datetime.now(UTC))
        self._users = UserReconciler(self.systems, principals)
        self.systems.announce = self._users.announce
        for key, body in self.bodies.items():
            self.systems.registry.put(key, body)
        self.systems.registry.listed = True

    def restart(self) -> None:
        """Lose all memory of the process."""
        self.close()
        self._start()

    def close(self) -> None:
        self._threads.close()

    def show(self, key: Key, spec: Mapping[str, Any], age: int = 0) -> None:
        """Apply an object; the higher `age`, the older."""
        stored = self.bodies.get(key, {})
        metadata = stored.get("metadata") or {
            "name": key.name,
            "namespace": key.namespace,
            "uid": f"uid-{key.namespace}-{key.name}",
            "creationTimestamp": f"2026-01-{28 - age:02}T00:00:00Z",
            "finalizers": [FINALIZER],
        }
        metadata = {**metadata, "generation": metadata.get("generation", 0) + 1}
        self._store(key, {"apiVersion": API_VERSION, "kind": key.kind, **stored, "metadata": metadata, "spec": spec})

    def delete(self, key: Key) -> None:
        """Ask for an object's deletion."""
        metadata = {**self.bodies[key]["metadata"], "deletionTimestamp": "2026-02-01T00:00:00Z"}
        self._store(key, {**self.bodies[key], "metadata": metadata})

    def user(self, name: str, *, namespace: str, instance: str = "orders", age: int = 0, **spec: Any) -> Key:
        """Declare the principal once more."""
        key = Key(USER.name, namespace, name)
        self.accounts.setdefault((namespace, name), ACCOUNT)
        principal = {"kubernetesServiceAccount": {"name": name}}
        self.show(key, {"instanceRef": {"name": instance}, "principal": principal, **spec}, age)
        return key

    def rules(self, instance: str, *namespaces: str, **fields: Any) -> None:
        """Let namespaces in on an instance."""
        rule = {
            "name": "team",
            "namespaces": {"names": list(namespaces)},
            "principals": {"kubernetesServiceAccounts": "Verified"},
            "allowRetain": True,
            **fields,
        }
        key = Key(INSTANCE.name, "", instance)
        spec = {"connectionName": CONNECTION, "access": [rule], "onAccessWithdrawn": self.withdrawal, "iam": self.iam}
        self.show(key, spec)

    async def rest(self, *order: Key) -> None:
        """Reconcile these at once, begun in this order, until nothing changes any more."""
        for _ in range(ROUNDS):
            before = (dict(self.bodies), len(self.google.written))
            await asyncio.gather(*(self._reconcile(key) for key in order))
            if (self.bodies, len(self.google.written)) == before:
                return
        raise AssertionError(f"no rest within {ROUNDS} rounds: {self.google.written}")

    async def _reconcile(self, key: Key) -> None:
        live = self.systems.registry.get(key)
        if live is None:
            return
        report = await (self._users.remove(live) if live.deleting else self._users.reconcile(live))
        self.events += [(key, reason) for reason, _ in report.changes]
        if live.deleting and report.holds:
            del self.bodies[key]
            self.systems.registry.end(key, live.uid)
            self.systems.forget(key)
            return
        status = status_of(live, report, datetime.now(UTC))
        if status != self.bodies[key].get("status"):
            self.apply_status(key, live.uid, status)

    def ready(self, key: Key) -> tuple[str, str, str]:
        """Status, reason and message of Ready; empty for an object that is gone."""
        conditions = self.bodies.get(key, {}).get("status", {}).get("conditions", ())
        ready: dict[str, str] = next((c for c in conditions if c["type"] == "Ready"), {})
        return ready.get("status", ""), ready.get("reason", ""), ready.get("message", "")

    def status(self, key: Key) -> Mapping[str, Any]:
        status: Mapping[str, Any] = self.bodies[key].get("status", {})
        return status

    def _store(self, key: Key, body: dict[str, Any]) -> None:
        self.bodies[key] = body
        self.systems.registry.put(key, body)

    # --- the cluster

    def apply_status(self, key: Key, uid: str, status: Mapping[str, Any]) -> dict[str, Any]:
        self._store(key, {**self.bodies[key], "status": dict(status)})
        return self.bodies[key]

    def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        return {} if name in self.namespaces else None

    def google_account(self, namespace: str, name: str) -> str | None:
        return self.accounts.get((namespace, name))

    def kind_is_going(self, kind: object) -> bool:
        return False
