"""What is declared, act by act, and what access that is; each act is one that the operator may be killed in."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from chaos.ground import OURS, Ground
from e2e import world
from e2e.waiting import eventually

API = "iam.cloudsql.dev/v1alpha1"
SHOP, BILLING = "shop", "billing"
BRIEFLY = timedelta(seconds=4)
"""From when a grant is made until it ends: longer than it takes to be made."""

USAGE: dict[str, Any] = {"kind": "Schema", "schemas": ["app"], "privileges": ["USAGE"]}


def _login(name: str) -> frozenset[str]:
    return frozenset({f"roles/cloudsql.instanceUser {name}", f"roles/cloudsql.client {name}", f"user {name}"})


FOUND = frozenset({"user old"})
"""What is there before the first act, and after the last."""

READS = frozenset({"USAGE on schema app checkout", "SELECT on app.orders checkout"})
WRITES = frozenset(
    {"USAGE on schema app checkout", "SELECT on app.items checkout", "INSERT on app.items checkout"},
)
OLD_READS = frozenset({"USAGE on schema app old", "SELECT on app.orders old"})
BRIEF = frozenset({"UPDATE on app.orders checkout"})
CREATED = FOUND | _login("checkout") | _login("ledger") | READS | {"member of app_ro ledger"}
EDITED = FOUND | _login("checkout") | _login("ledger") | WRITES | {"member of app_rw ledger"}
ADOPTED = EDITED | _login("old") | OLD_READS
WITHDRAWN = ADOPTED - _login("ledger") - {"member of app_rw ledger"}
HANDED_OVER = WITHDRAWN - WRITES


@dataclass(frozen=True)
class Act:
    """Something that is declared, how it shows that it is carried out, and the access that is declared then.

    `prepare` comes before, with nobody killed; `between` is access that may be there on the way.
    """

    name: str
    declare: Callable[["Stage"], None]
    settled: Callable[["Stage"], object]
    access: frozenset[str]
    prepare: Callable[["Stage"], None] = lambda stage: None
    prepared: frozenset[str] = field(default_factory=frozenset)

    def __str__(self) -> str:
        return self.name


class Stage:
    """The objects, as a platform team and two tenants apply them."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self._kubectl = ground.kubectl

    def build(self) -> None:
        """Make namespaces and accounts."""
        for namespace in (SHOP, BILLING):
            self._kubectl.declare({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for name, namespace in OURS.items():
            self.ground.account(name, namespace)

    def instance(self, name: str, *namespaces: str) -> None:
        rule = {
            "name": "teams",
            "namespaces": {"names": list(namespaces)},
            "principals": {"kubernetesServiceAccounts": "Verified"},
            "databases": ["orders"],
            "schemas": ["app"],
            "databaseRoles": ["app_ro", "app_rw"],
            "privileges": ["USAGE", "SELECT", "INSERT", "UPDATE"],
            "allowAdoption": True,
        }
        spec = {
            "connectionName": world.CONNECTION,
            "admin": {"database": {"ownerRoles": ["app_owner"]}},
            "access": [rule],
        }
        self._declare("CloudSQLInstance", name, "", spec)

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


INSTANCE, MIRROR = ("csqli", "orders", ""), ("csqli", "mirror", "")
"""Two objects of one connection."""

CHECKOUT, AGAIN, OLD, LEDGER = (
    ("csqlu", "checkout", SHOP),
    ("csqlu", "again", SHOP),
    ("csqlu", "old", SHOP),
    ("csqlu", "ledger", BILLING),
)
READING, BRIEFLY_WRITING, OLD_READING, MEMBER = (
    ("dbg", "reads", SHOP),
    ("dbg", "brief", SHOP),
    ("dbg", "old-reads", SHOP),
    ("dbg", "member", BILLING),
)


def _tables(table: str, *privileges: str) -> dict[str, Any]:
    return {"kind": "Table", "schema": "app", "names": [table], "privileges": list(privileges)}


def _open(stage: Stage) -> None:
    stage.instance("orders", SHOP, BILLING)
    stage.instance("mirror", SHOP)
    stage.ready(INSTANCE, MIRROR)


def _create(stage: Stage) -> None:
    stage.user("checkout", SHOP)
    stage.user("ledger", BILLING)
    stage.grant("reads", SHOP, "checkout", grants=[USAGE, _tables("orders", "SELECT")])
    stage.grant("member", BILLING, "ledger", memberships=[{"role": "app_ro"}])


def _edit(stage: Stage) -> None:
    stage.grant("reads", SHOP, "checkout", grants=[USAGE, _tables("items", "SELECT", "INSERT")])
    stage.grant("member", BILLING, "ledger", memberships=[{"role": "app_rw"}])


def _adopt(stage: Stage) -> None:
    stage.user("old", SHOP, adoptionPolicy="IfExists")
    stage.grant("old-reads", SHOP, "old", grants=[USAGE, _tables("orders", "SELECT")])


def _grant_briefly(stage: Stage) -> None:
    end = (datetime.now(UTC) + BRIEFLY).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    stage.grant("brief", SHOP, "checkout", grants=[_tables("orders", "UPDATE")], expiresAt=end)
    stage.ready(BRIEFLY_WRITING)


def _nothing(stage: Stage) -> None:
    """Time passes."""


def _withdraw(stage: Stage) -> None:
    stage.instance("orders", SHOP)


def _share(stage: Stage) -> None:
    stage.user("again", SHOP, "checkout", "mirror")


def _hand_over(stage: Stage) -> None:
    stage.delete(READING, BRIEFLY_WRITING, CHECKOUT)


def _delete(stage: Stage) -> None:
    stage.delete(AGAIN, OLD, LEDGER, OLD_READING, MEMBER)


def _refused(stage: Stage) -> None:
    stage.ready(AGAIN, status="False", reason="ManagedByOther")


def _handed_over(stage: Stage) -> None:
    stage.gone(CHECKOUT, READING, BRIEFLY_WRITING)
    stage.ready(AGAIN)


ACTS = (
    Act("create", _create, lambda s: s.ready(CHECKOUT, LEDGER, READING, MEMBER), CREATED, _open, FOUND),
    Act("edit", _edit, lambda s: s.ready(READING, MEMBER), EDITED, prepared=CREATED),
    Act("adopt", _adopt, lambda s: s.ready(OLD, OLD_READING), ADOPTED, prepared=EDITED),
    Act("expire", _nothing, lambda s: s.has(ADOPTED), ADOPTED, _grant_briefly, ADOPTED | BRIEF),
    Act("withdraw", _withdraw, lambda s: s.has(WITHDRAWN), WITHDRAWN, prepared=ADOPTED),
    Act(
        "share",
        _share,
        lambda s: s.ready(AGAIN, status="False", reason="ManagedByOther"),
        WITHDRAWN,
        prepared=WITHDRAWN,
    ),
    Act("hand over", _hand_over, _handed_over, HANDED_OVER, prepared=WITHDRAWN),
    Act("delete", _delete, lambda s: s.gone(AGAIN, OLD, LEDGER, OLD_READING, MEMBER), FOUND, prepared=HANDED_OVER),
)
"""In the order in which they are played."""


def end(stage: Stage) -> None:
    """Take away what is left, so that the story can be told anew."""
    stage.delete(INSTANCE, MIRROR)
    stage.gone(INSTANCE, MIRROR)
