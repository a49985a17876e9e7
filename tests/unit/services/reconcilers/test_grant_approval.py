"""The story of a DatabaseGrant with mode Plan, over a database lane and an API server of a few lines."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cloudsql_iam_operator.api.names import API_VERSION, APPROVE, GRANT, INSTANCE, Key
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.ledger import ledger_of
from cloudsql_iam_operator.core.instances import InstanceFacts
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from cloudsql_iam_operator.services.reconcilers.grant import GrantReconciler
from cloudsql_iam_operator.services.runtime.registry import Live, Registry
from cloudsql_iam_operator.services.runtime.reports import Report
from cloudsql_iam_operator.services.runtime.threads import Threads

KEY = Key(GRANT.name, "team", "reads")
PLANNED = GrantAnswer(planned=("GRANT SELECT",), plan_hash="sha256:1")
CHANGED = GrantAnswer(planned=("GRANT SELECT", "GRANT INSERT"), plan_hash="sha256:2")
DONE = GrantAnswer(executed=("GRANT SELECT",), granted=1, plan_hash="sha256:0", approved=True)
GRANTS = [{"kind": "Table", "schema": "app", "names": ["orders"], "privileges": ["SELECT"]}]
ON_ORDERS = {"kind": "Table", "privileges": ["SELECT"], "names": ["orders"]}
APPLIED = [{"roles": ["x"], "places": [{"schemas": ["app"], "grants": [ON_ORDERS]}]}]


def body(kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    told = {"name": name, "uid": f"uid-{name}", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {**told, **metadata}, "spec": spec}


INSTANCE_BODY = body(
    INSTANCE.name,
    "orders",
    {
        "connectionName": "acme:eu:orders",
        "access": [
            {
                "name": "team",
                "namespaces": {"names": ["team"]},
                "principals": {"kubernetesServiceAccounts": "Verified"},
                "databases": ["orders"],
                "schemas": ["app"],
                "databaseRoles": ["x"],
                "privileges": ["SELECT"],
            }
        ],
    },
)


class World:
    """Everything a story asks of its surroundings; `said` are the answers of the database's passes, in turn."""

    def __init__(self, *said: GrantAnswer, status: dict[str, Any] | None = None, approve: str = "") -> None:
        self.said = list(said)
        self.passes: list[str] = []
        self.recorded: list[dict[str, Any]] = []
        self.registry = Registry()
        self.threads = Threads(1)
        self.cluster = self
        self.status = {"instance": "acme:eu:orders", "instanceName": "orders", "database": "orders", **(status or {})}
        self.approve = approve

    def live(self, **spec: Any) -> Live:
        told = {
            "instanceRef": {"name": "orders"},
            "database": "orders",
            "grantees": [{"role": "x"}],
            "grants": GRANTS,
            "mode": "Plan",
            **spec,
        }
        notes = {APPROVE: self.approve} if self.approve else {}
        made = body(GRANT.name, "reads", told, namespace="team", annotations=notes)
        self.registry.put(Key(INSTANCE.name, "", "orders"), INSTANCE_BODY)
        self.registry.put(KEY, {**made, "status": self.status})
        live = self.registry.get(KEY)
        assert live is not None
        return live

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        return {}

    def forget(self, key: Key) -> None:
        """Nothing stands in a lane of a few lines."""

    async def own_username(self, instance: object) -> str:
        return "op"

    async def facts(self, instance: object) -> InstanceFacts:
        return InstanceFacts("RUNNABLE", False, "POSTGRES_16", True, "", "eu", frozenset())

    async def database_lane(self, instance: object, database: str) -> "World":
        return self

    async def apply(self, key: Key, want: GrantWant, *, max_age: float = 0.0) -> GrantAnswer:
        what = f"only if {want.approved}" if want.approved else "dry" if want.dry else "executed"
        self.passes.append(f"{what}, {len(self.recorded)} on record")
        answer = self.said.pop(0)
        done = answer.approved or not want.dry
        return replace(answer, ledger=ledger_of(want.entries) if done else want.ledger)

    async def remember(self, live: Live, fields: Mapping[str, Any]) -> None:
        self.recorded.append({name: fields.get(name) for name in ("applied", "approved")})

    def told(self, **spec: Any) -> Report:
        try:
            return asyncio.run(GrantReconciler(self).reconcile(self.live(**spec)))  # type: ignore[arg-type] # this class
        finally:
            self.threads.close()


def reason(report: Report) -> str:
    return str(report.findings[-1].reason)


def test_a_plan_that_nobody_approved_is_asked_for_once_and_records_nothing() -> None:
    world = World(PLANNED)

    report = world.told()

    assert (reason(report), world.passes, world.recorded) == ("Planned", ["dry, 0 on record"], [])
    assert report.fields["plan"] == {"hash": "sha256:1", "statements": 1, "sample": ["GRANT SELECT"]}
    assert report.fields["applied"] == []


def test_what_an_approved_plan_may_cause_is_on_record_before_it_is_executed() -> None:
    world = World(PLANNED, DONE, approve="sha256:1")

    report = world.told()

    assert world.passes == ["dry, 0 on record", "only if sha256:1, 1 on record"]
    assert world.recorded == [{"applied": APPLIED, "approved": "sha256:1"}]
    assert reason(report) == "Succeeded"
    assert (report.fields["applied"], report.fields["approved"]) == (APPLIED, "sha256:1")
    assert "plan" not in report.fields
    assert report.changes[0] == ("Approved", "on CloudSQLInstance orders: executed the approved plan sha256:1")


def test_a_plan_that_changes_between_the_two_passes_leaves_the_approval_unused_and_nothing_on_record() -> None:
    world = World(PLANNED, CHANGED, approve="sha256:1")

    report = world.told()

    assert reason(report) == "PlanChanged"
    assert report.fields["plan"]["hash"] == "sha256:2"
    assert (report.fields["applied"], "approved" in report.fields) == ([], False)


def test_an_approval_of_another_plan_is_not_even_tried() -> None:
    world = World(CHANGED, approve="sha256:1")

    assert reason(world.told()) == "PlanChanged"
    assert world.passes == ["dry, 0 on record"]


def test_a_used_approval_is_not_tried_again() -> None:
    world = World(PLANNED, approve="sha256:1", status={"applied": APPLIED, "approved": "sha256:1"})

    report = world.told()

    assert (reason(report), world.passes) == ("PlanChanged", ["dry, 0 on record"])
    assert (report.fields["applied"], report.fields["approved"]) == (APPLIED, "sha256:1")


def test_an_approval_taken_off_is_forgotten_so_that_it_may_be_given_again() -> None:
    world = World(PLANNED, status={"applied": APPLIED, "approved": "sha256:1"})

    report = world.told()

    assert (reason(report), "approved" in report.fields) == ("Planned", False)


def test_a_plan_with_nothing_to_do_is_ready() -> None:
    world = World(GrantAnswer(plan_hash="sha256:0"))

    report = world.told()

    assert (report.holds, "plan" in report.fields) == (True, False)


def test_the_declared_end_needs_no_approval() -> None:
    world = World(GrantAnswer(executed=("REVOKE SELECT",), revoked=1), status={"applied": APPLIED})

    report = world.told(expiresAt="2026-01-01T00:00:00Z")

    assert (reason(report), world.passes) == ("Expired", ["executed, 0 on record"])
    assert report.fields["applied"] == []


def test_a_grant_to_nobody_who_is_there_yet_does_not_ask_the_database() -> None:
    world = World()

    report = world.told(grantees=[{"userRef": {"name": "late"}}])

    assert (reason(report), world.passes, world.recorded) == ("UserNotReady", [], [])
