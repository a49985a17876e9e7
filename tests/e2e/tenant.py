"""A tenant of one test: its namespace, its instance object, its accounts, users and grants, and their end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from e2e import world
from e2e.kubectl import Kubectl
from e2e.scenes import Stage, look_now, service_account

API = "iam.cloudsql.dev/v1alpha1"
INSTANCE_USER = "roles/cloudsql.instanceUser"
CLIENT = "roles/cloudsql.client"

READ_ORDERS: Sequence[dict[str, Any]] = (
    {"kind": "Schema", "schemas": ["app"], "privileges": ["USAGE"]},
    {"kind": "Table", "schema": "app", "names": ["orders"], "privileges": ["SELECT"]},
)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A namespace, and a CloudSQLInstance of the same name that lets it in."""

    stage: Stage
    name: str

    @property
    def kubectl(self) -> Kubectl:
        """The administrator's kubectl."""
        return self.stage.chain.kubectl

    def arrive(self) -> None:
        """Make the namespace."""
        self.kubectl.declare({"apiVersion": "v1", "kind": "Namespace", **_meta(self.name)})

    def leave(self) -> None:
        """Delete everything that was made here, and return when the operator has let go of it."""
        if self.kubectl.list("deployments", self.name) or self.kubectl.list("pods", self.name):
            here = ("-n", self.name, "--wait=true", "--timeout=60s", "--grace-period=1")
            self.kubectl("delete", "deployments,pods", "--all", *here)
        for kind in ("dbg", "csqlu"):
            self.delete(kind, *(one["metadata"]["name"] for one in self.kubectl.list(kind, self.name)))
        self.kubectl.delete("csqli", self.name)
        self.kubectl.delete("namespace", self.name, wait=False)

    def rule(self, **fields: Any) -> dict[str, Any]:
        """An access rule that lets this namespace do everything that the tests do."""
        return {
            "name": "team",
            "namespaces": {"names": [self.name]},
            "principals": {"kubernetesServiceAccounts": "Verified"},
            "databases": ["orders"],
            "schemas": ["app", "audit"],
            "privileges": ["CONNECT", "USAGE", "SELECT", "INSERT", "UPDATE"],
            **fields,
        }

    def instance(self, *rules: dict[str, Any], **spec: Any) -> None:
        """Apply the instance with these access rules; with `rule()` when none is given."""
        told = {
            "connectionName": world.CONNECTION,
            "admin": {"database": {"ownerRoles": ["app_owner"]}},
            "access": list(rules or (self.rule(),)),
            **spec,
        }
        self.kubectl.declare({"apiVersion": API, "kind": "CloudSQLInstance", **_meta(self.name), "spec": told})

    def account(self, name: str) -> str:
        """Make a Kubernetes ServiceAccount and the Google account that it may act as; the latter's address."""
        email = f"{name}@{world.PROJECT}.iam.gserviceaccount.com"
        control = self.stage.cloud.control
        control.add_principal("serviceAccount", email)
        member = f"serviceAccount:{world.POOL}[{self.name}/{name}]"
        resource = f"projects/{world.PROJECT}/serviceAccounts/{email}"
        control.add_binding(resource, "roles/iam.workloadIdentityUser", member)
        service_account(self.stage, name, email, self.name)
        return email

    def user(self, name: str, principal: dict[str, Any] | None = None, **spec: Any) -> None:
        """Apply a user; of the Kubernetes ServiceAccount of its name unless a principal is given."""
        told = {
            "instanceRef": {"name": self.name},
            "principal": principal or {"kubernetesServiceAccount": {"name": name}},
            **spec,
        }
        self.kubectl.declare({"apiVersion": API, "kind": "CloudSQLIAMUser", **_meta(name, self.name), "spec": told})

    def grant(self, name: str, user: str, *grants: dict[str, Any], **spec: Any) -> None:
        """Apply a grant in the database `orders` for one user of this namespace."""
        told = {
            "instanceRef": {"name": self.name},
            "database": "orders",
            "grantees": [{"userRef": {"name": user}}],
            "grants": list(grants or READ_ORDERS),
            **spec,
        }
        self.kubectl.declare({"apiVersion": API, "kind": "DatabaseGrant", **_meta(name, self.name), "spec": told})

    def delete(self, kind: str, *names: str) -> None:
        """Delete objects of this namespace and return when they are gone."""
        self.kubectl.delete(kind, *names, namespace=self.name)

    def ready(self, kind: str, name: str = "", *, status: str = "True", reason: str = "") -> dict[str, Any]:
        """The Ready condition of an object here, or of the instance, once it is as told."""
        namespace = "" if kind == "csqli" else self.name
        return self.kubectl.ready(kind, name or self.name, namespace, status=status, reason=reason)

    def stalled(self, kind: str, name: str, reason: str) -> str:
        """The message of an object that waits for an edit, once it does for this reason."""
        message: str = self.ready(kind, name, status="False", reason=reason)["message"]
        stalled = self.kubectl.condition(kind, name, "Stalled", self.name)
        assert stalled.get("status") == "True", stalled
        return message

    def look_now(self, kind: str, name: str = "") -> None:
        """Have the operator look at an object here, or at the instance, afresh."""
        look_now(self.stage, kind, name or self.name, "" if kind == "csqli" else self.name)


def _meta(name: str, namespace: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, **({"namespace": namespace} if namespace else {})}}
