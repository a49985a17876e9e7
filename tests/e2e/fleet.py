"""Many users and a grant for each, over one or more instances: declared, counted, edited, taken away."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloudsql_emulator.admin_client import JournalEntry
from e2e import world
from e2e.kubectl import Kubectl
from e2e.scenes import Stage
from e2e.tenant import API, Tenant
from e2e.waiting import eventually

CALLER = f"serviceAccount:{world.OPERATOR}"
METRICS = f"/api/v1/namespaces/{world.NAMESPACE}/pods/{{}}:9402/proxy/metrics"
OPERATOR = "app.kubernetes.io/component=operator"
KINDS = ("csqlu", "dbg")
READ: Sequence[Mapping[str, Any]] = (
    {"kind": "Schema", "schemas": ["app"], "privileges": ["USAGE"]},
    {"kind": "Table", "schema": "app", "names": ["*"], "privileges": ["SELECT"]},
)
LESS: Sequence[Mapping[str, Any]] = (
    {"kind": "Schema", "schemas": ["app"], "privileges": ["USAGE"]},
    {"kind": "Table", "schema": "app", "names": ["orders"], "privileges": ["SELECT"]},
)


@dataclass(frozen=True, slots=True)
class Place:
    """A CloudSQLInstance by its object's name, and the project of the accounts that come to it."""

    name: str
    project: str


@dataclass(frozen=True, slots=True)
class Calls:
    """When the operator asked what of Google or logged in where, by method or kind; how many of it wrote.

    `moments` are seconds, in order.
    """

    moments: Mapping[str, Sequence[float]]
    writes: int

    def most(self, method: str) -> int:
        """How often the method was called on the project or instance where it was most."""
        return max(map(len, self._of(method)), default=0)

    def all(self, method: str) -> int:
        """How often the method was called in all."""
        return sum(map(len, self._of(method)))

    def twice(self, method: str) -> int:
        """On how many projects or instances the method was called more than once."""
        return sum(len(moments) > 1 for moments in self._of(method))

    def pace(self, method: str, interval: float) -> float:
        """How often in an interval (seconds) it was called where that was most, between the first and last time there.

        So it is counted in whole intervals, however the count begins.
        """
        rates = (interval * (len(m) - 1) / (m[-1] - m[0]) for m in self._of(method) if len(m) > 1)
        return max(rates, default=0.0)

    def _of(self, method: str) -> list[Sequence[float]]:
        return [moments for what, moments in self.moments.items() if what.startswith(f"{method} ")]


class Fleet:
    """Users `u-00000` and on and grants `g-00000` and on of one namespace, in turns over the places."""

    def __init__(self, stage: Stage, namespace: str, size: int, places: Sequence[Place]) -> None:
        self.size = size
        self._stage = stage
        self._namespace = namespace
        self.places = places

    @property
    def kubectl(self) -> Kubectl:
        """The administrator's kubectl."""
        return self._stage.chain.kubectl

    def declare(self) -> None:
        """Declare all users and grants."""
        with ThreadPoolExecutor(4) as pool:
            for _ in pool.map(self._declare, range(self.size)):
                pass

    def declare_at_once(self) -> None:
        """Declare all while no operator runs: to the next one they are all there at once, however slow kubectl is."""
        self.operators(0)
        self.declare()
        self.operators(1)

    def operators(self, count: int) -> None:
        """Have so many operators, and return when the others are gone."""
        self.kubectl("scale", "deployment", "cloudsql-iam-operator", "-n", world.NAMESPACE, f"--replicas={count}")
        if not count:
            eventually(lambda: not self.kubectl.list("pods", world.NAMESPACE, labels=OPERATOR), "the operator is gone")

    def ready(self, limit: float) -> None:
        """Return when all are Ready."""
        eventually(self.all_ready, f"{self.size} users and grants are Ready", limit, pause=self._pause)

    def all_ready(self) -> bool:
        """Whether all are Ready; the error tells how many are."""
        found = [(kind, sum(map(_is_ready, self._listed(kind)))) for kind in KINDS]
        assert all(count == self.size for _, count in found), f"Ready are {found}"
        return True

    def edit(self, number: int, grants: Sequence[Mapping[str, Any]] = LESS) -> None:
        """Have one grant grant something else, and return when it is so."""
        self.kubectl.declare(self._grant(number, grants))
        self.kubectl.ready("dbg", _named("g", number), self._namespace)

    def restart(self) -> None:
        """Delete the operator's pod, and return when it is gone."""
        self.kubectl("-n", world.NAMESPACE, "delete", "pod", "-l", OPERATOR, "--wait=true")

    def reconciled(self) -> int:
        """How many reconciles of users and grants the operator counts since it started; 0 while it does not answer."""
        pods = self.kubectl.list("pods", world.NAMESPACE, labels=OPERATOR)
        running = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        if not running:
            return 0
        text = self.kubectl("get", "--raw", METRICS.format(running[0]))
        counts = re.findall(r'cloudsql_iam_reconcile_total\{kind="(?:CloudSQLIAMUser|DatabaseGrant)".*\} (\S+)', text)
        return int(sum(map(float, counts)))

    def delete(self, limit: float) -> None:
        """Delete all users and grants, and return when they are gone."""
        for kind in reversed(KINDS):
            self.kubectl.delete_all(kind, self._namespace)
        eventually(self._none_left, "users and grants are gone", limit, pause=self._pause)

    def position(self) -> int:
        """Where the journal of calls stands."""
        return self._stage.cloud.control.position()

    def calls(self, since: int) -> Calls:
        """What was asked since then, by method and by project or instance."""
        entries = self._stage.cloud.control.journal(since=since, caller=CALLER)
        moments: defaultdict[str, list[float]] = defaultdict(list)
        for e in entries:
            moments[f"{e.method or e.kind} {_where(e)}"].append(datetime.fromisoformat(e.time).timestamp())
        return Calls(moments, sum(e.write for e in entries))

    def versions(self) -> dict[str, str]:
        """The resource version of each object, by name."""
        found = [one["metadata"] for kind in KINDS for one in self._listed(kind)]
        return {meta["name"]: meta["resourceVersion"] for meta in found}

    def _declare(self, number: int) -> None:
        place = self._place(number)
        principal = {"serviceAccount": account(number, place.project)}
        self.kubectl.declare(self._object("CloudSQLIAMUser", "u", number, {"principal": principal}))
        self.kubectl.declare(self._grant(number, READ))

    def _grant(self, number: int, grants: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        grantees = [{"userRef": {"name": _named("u", number)}}]
        spec = {"database": "orders", "grantees": grantees, "grants": list(grants)}
        return self._object("DatabaseGrant", "g", number, spec)

    def _object(self, kind: str, letter: str, number: int, spec: Mapping[str, Any]) -> dict[str, Any]:
        metadata = {"name": _named(letter, number), "namespace": self._namespace}
        told = {"instanceRef": {"name": self._place(number).name}, **spec}
        return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": told}

    @property
    def _pause(self) -> float:
        """Seconds between two lists of all, which take as much of the machine as some hundred writes."""
        return max(0.1, self.size / 1000)

    def _place(self, number: int) -> Place:
        return self.places[number % len(self.places)]

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        return self.kubectl.list(kind, self._namespace)

    def _none_left(self) -> bool:
        return not any(self._listed(kind) for kind in KINDS)


def fleet_of(tenant: Tenant, size: int, **spec: Any) -> Fleet:
    """A fleet on an instance of the tenant's name, which lets its accounts in."""
    for number in range(size):
        tenant.stage.cloud.control.add_principal("serviceAccount", account(number, world.PROJECT))
    metadata = {"name": tenant.name, "annotations": {"iam.cloudsql.dev/allow-removals": "true"}}
    whole = {
        "connectionName": world.CONNECTION,
        "admin": {"database": {"ownerRoles": ["app_owner"]}},
        "access": [tenant.rule(principals={"serviceAccounts": [f"u-*@{world.PROJECT}.iam.gserviceaccount.com"]})],
        **spec,
    }
    tenant.kubectl.declare({"apiVersion": API, "kind": "CloudSQLInstance", "metadata": metadata, "spec": whole})
    tenant.ready("csqli")
    return Fleet(tenant.stage, tenant.name, size, [Place(tenant.name, world.PROJECT)])


def account(number: int, project: str) -> str:
    """The Google service account of a user."""
    return f"{_named('u', number)}@{project}.iam.gserviceaccount.com"


def _named(letter: str, number: int) -> str:
    return f"{letter}-{number:05d}"


def _is_ready(stored: Mapping[str, Any]) -> bool:
    status = stored.get("status", {})
    current = status.get("observedGeneration") == stored["metadata"]["generation"]
    return current and any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))


def _where(entry: JournalEntry) -> str:
    """Which project or instance was asked; for a login, which database of an instance."""
    if entry.kind == "login":
        return f"{entry.summary['instance']}/{entry.summary['database']}"
    found = re.search(r"projects/([^/:]+)(?:/instances/([^/:]+))?", entry.path)
    return "/".join(filter(None, found.groups())) if found else entry.path
