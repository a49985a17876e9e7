"""A cluster, an account's policy and lanes of a few lines for reconcilers to stand on; what is held shows in them."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from cloudsql_iam_operator.adapters.google.service_accounts import Workload
from cloudsql_iam_operator.api.grant import Enforcement
from cloudsql_iam_operator.api.names import API_VERSION, FINALIZER, GRANT, INSTANCE, USER, Key, Kind
from cloudsql_iam_operator.core.access.own_accounts import OwnAccounts, own_accounts
from cloudsql_iam_operator.core.errors import Failure, NotYet
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant, held_back, stale
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, ledger_of, less, united
from cloudsql_iam_operator.core.grants.desired.written import recorded
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.instances import InstanceFacts
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.plan import DatabaseUser, Ownership, UserStanding, UserWant
from cloudsql_iam_operator.core.users.principals import UserType
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from cloudsql_iam_operator.services.lanes.policies.wants import BindingsAnswer, PolicyWant
from cloudsql_iam_operator.services.lanes.recording import Record, nowhere
from cloudsql_iam_operator.services.lanes.user_wants import UserAnswer
from cloudsql_iam_operator.services.runtime.registry import Live, Registry
from cloudsql_iam_operator.services.runtime.reports import Report
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting import ranks
from cloudsql_iam_operator.services.waiting.ranks import Rank

TEAM = "team"
ACCOUNT = "checkout@acme.iam.gserviceaccount.com"
USERNAME = "checkout@acme.iam"
CONNECTION = "acme:eu:orders"
USER_KEY = Key(USER.name, TEAM, "checkout")
GRANT_KEY = Key(GRANT.name, TEAM, "reads")
SINCE = "2026-01-01T00:00:00Z"
RULE: dict[str, Any] = {
    "name": "team",
    "namespaces": {"names": [TEAM], "selector": {"matchLabels": {"tier": "prod"}}},
    "principals": {"kubernetesServiceAccounts": "Verified"},
    "databases": ["orders"],
    "schemas": ["app"],
    "privileges": ["CONNECT", "SELECT"],
}
CONNECT: dict[str, Any] = {"grants": [{"kind": "Database", "privileges": ["CONNECT"]}]}
SELECT: dict[str, Any] = {
    "schemas": ["app"],
    "grants": [{"kind": "Table", "privileges": ["SELECT"], "names": ["orders"]}],
}
APPLIED: list[dict[str, Any]] = [{"roles": [USERNAME], "places": [CONNECT, SELECT]}]
USER_STATUS: dict[str, Any] = {
    "instance": CONNECTION,
    "instanceName": "orders",
    "serviceAccountName": "checkout",
    "member": f"serviceAccount:{ACCOUNT}",
    "username": USERNAME,
    "userType": "CLOUD_IAM_SERVICE_ACCOUNT",
    "created": True,
    "admittedAt": SINCE,
    "iam": {"bindings": [{"role": "roles/cloudsql.instanceUser", "condition": "t", "added": True}]},
    "observedGeneration": 1,
    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": SINCE}],
}
GRANT_STATUS: dict[str, Any] = {
    "instance": CONNECTION,
    "instanceName": "orders",
    "database": "orders",
    "holders": [{"role": USERNAME, "user": "checkout"}],
    "applied": APPLIED,
    "admittedAt": SINCE,
}


def ahead(seconds: float) -> str:
    """A time that far ahead, as a manifest has it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def body(kind: str, name: str, spec: Any, status: Any = None, **metadata: Any) -> dict[str, Any]:
    """An object as the API server hands it out."""
    own = {"name": name, "uid": f"uid-{name}", "generation": 1, "creationTimestamp": SINCE, "finalizers": [FINALIZER]}
    place = {} if kind == INSTANCE.name else {"namespace": TEAM}
    told = {"apiVersion": API_VERSION, "kind": kind, "metadata": {**own, **place, **metadata}, "spec": spec}
    return {**told, **({"status": status} if status else {})}


async def as_a_check(work: Awaitable[Report]) -> Report:
    """What a reconcile reports that began as one of an object which was as declared when last seen."""
    ranks.enter(Rank.CHECK)
    return await work


@dataclass
class Ground:
    """The systems, as a reconciler asks them. `labels` None: the namespace is gone.

    `account` is what the ServiceAccount's annotation names ("" without one, None: it is gone) or why that is not known;
    `proven` is whether the account's policy admits the workload, or why that is not known. `works_as` are the
    operator's own accounts, likewise.
    """

    rules: list[dict[str, Any]] = field(default_factory=lambda: [RULE])
    labels: Mapping[str, str] | None = field(default_factory=lambda: {"tier": "prod"})
    account: str | Failure | None = ACCOUNT
    proven: bool | Failure = True
    works_as: tuple[str, ...] | Failure = ("op@acme.iam.gserviceaccount.com",)
    instance_there: bool = True
    withdrawal: str = "Revoke"
    mode: str = "Member"
    going: frozenset[str] = frozenset()
    calls: list[str] = field(default_factory=list)
    external: frozenset[Binding] = frozenset()
    remembered: list[Mapping[str, Any]] = field(default_factory=list)
    record_grants: Record = nowhere

    def __post_init__(self) -> None:
        self.registry = Registry()
        self.threads = Threads(2)
        self.cluster = self
        self.identities = self
        self.service_accounts = self
        self.cluster_id = ""
        self.held: Ledger = recorded(APPLIED)
        self.bindings = {BindingRef(f"serviceaccount:{ACCOUNT}", "roles/cloudsql.instanceUser", "t")}
        self.users = {USERNAME}
        self.forgotten: list[Key] = []
        self.taken_at: set[Rank] = set()

    def show(self, user: dict[str, Any] | None, grant: dict[str, Any] | None = None) -> None:
        """Have the registry hold these, and the instance."""
        if self.instance_there:
            spec = {
                "connectionName": CONNECTION,
                "access": self.rules,
                "onAccessWithdrawn": self.withdrawal,
                "iam": {"mode": self.mode},
            }
            self.registry.put(Key(INSTANCE.name, "", "orders"), body(INSTANCE.name, "orders", spec))
        for key, one in ((USER_KEY, user), (GRANT_KEY, grant)):
            if one is not None:
                self.registry.put(key, one)

    def live(self, key: Key) -> Live:
        """The object as the registry has it."""
        live = self.registry.get(key)
        assert live is not None
        return live

    # --- the cluster

    def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        return self.labels

    def google_account(self, namespace: str, name: str) -> str | None:
        if isinstance(self.account, Failure):
            raise self.account
        return self.account

    async def kind_is_going(self, kind: Kind) -> bool:
        return kind.name in self.going

    async def remember(self, live: Live, fields: Mapping[str, Any]) -> None:
        """Keep what is written ahead."""
        self.remembered.append(fields)

    def orphaned(self, project: str, bindings: int) -> None:
        """Nobody counts here."""

    # --- Google

    def knows(self, instance: object) -> bool:
        return False

    def of(self, instance: object) -> "Ground":
        self.calls.append("google")
        return self

    def admits(self, email: str, workload: Workload) -> bool:
        if isinstance(self.proven, Failure):
            raise self.proven
        return self.proven and email == ACCOUNT

    async def google(self, instance: object) -> SimpleNamespace:
        """The APIs, as far as they are read past the lanes."""
        self.calls.append("google")
        users = tuple(DatabaseUser(name, UserType.SERVICE_ACCOUNT) for name in sorted(self.users))
        admin = SimpleNamespace(users=lambda connection: users)
        policy = Policy({"version": 3, "etag": "e", "bindings": []})
        return SimpleNamespace(sqladmin=admin, resource_manager=SimpleNamespace(get_policy=lambda project: policy))

    async def own_username(self, instance: object) -> str:
        self.calls.append("google")
        return "op"

    async def own_accounts(self, instance: object) -> OwnAccounts:
        self.calls.append("google")
        if isinstance(self.works_as, Failure):
            raise self.works_as
        return own_accounts(self.live(Key(INSTANCE.name, "", "orders")).spec, self.works_as, ())  # type: ignore[arg-type] # it is one

    async def facts(self, instance: object) -> InstanceFacts:
        self.calls.append("google")
        return InstanceFacts("RUNNABLE", False, "POSTGRES_16", True, "", "eu", frozenset())

    async def gone(self, instance: object) -> bool:
        return False

    # --- lanes

    def forget(self, key: Key) -> None:
        self.forgotten.append(key)

    def abandon(self, key: Key, connection: str, username: str) -> None:
        self.forgotten.append(key)

    async def policy_lane(self, instance: object) -> "Policies":
        return Policies(self)

    async def users_lane(self, instance: object) -> "Users":
        return Users(self)

    async def database_lane(self, instance: object, database: str) -> "Databases":
        assert database == "orders"
        return Databases(self)


@dataclass
class Policies:
    """The policy lane."""

    ground: Ground
    signed: frozenset[Binding] = frozenset()

    async def bind(self, key: Key, want: PolicyWant, *, max_age: float = 0.0) -> BindingsAnswer:
        self.ground.bindings |= {binding.ref for binding in want.bindings}
        self.ground.calls += ["bind"] if want.bindings else []
        found = frozenset(
            b for b in self.ground.external if (b.role, b.member) in {(w.role, w.member) for w in want.watched}
        )
        return BindingsAnswer(want.bindings, want.bindings, None, found)

    async def release(self, key: Key, owned: frozenset[BindingRef]) -> None:
        self.ground.taken_at |= {ranks.current()}
        self.ground.bindings -= owned

    def forget(self, key: Key) -> None:
        """Nothing is remembered here."""


@dataclass
class Users:
    """The users lane."""

    ground: Ground

    async def settle(self, key: Key, want: UserWant, *, max_age: float = 0.0) -> UserAnswer:
        self.ground.users |= {want.claim.username}
        return UserAnswer(UserStanding(True, Ownership.CREATED, frozenset()), None)

    async def remove(self, key: Key, want: UserWant) -> UserAnswer:
        self.ground.taken_at |= {ranks.current()}
        self.ground.users -= {want.claim.username}
        return UserAnswer(UserStanding(False, Ownership.NONE, frozenset()), None)


@dataclass
class Databases:
    """The database lane: what is held is the ledger's entries, taken and left by the very rules of a pass."""

    ground: Ground

    async def apply(self, key: Key, want: GrantWant, *, max_age: float = 0.0) -> GrantAnswer:
        if want.recording:
            await self.ground.record_grants(key, want)
            want = want.recorded()
        if want.dry:
            return GrantAnswer(planned=("GRANT",), plan_hash="sha256:1", ledger=want.ledger)
        taken = frozenset() if want.enforcement is Enforcement.ADDITIVE else stale(want)
        self.ground.taken_at |= {ranks.current()} if taken else set()
        self.ground.held = united(less(self.ground.held, taken), ledger_of(want.entries))
        kept = want.ledger if want.enforcement is Enforcement.ADDITIVE else held_back(want)
        return replace(GrantAnswer(), ledger=united(ledger_of(want.entries), kept))


HIDDEN = NotYet(Reason.PROGRESSING, "the API server refused to show it (403)")
