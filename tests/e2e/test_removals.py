"""Removals of IAM bindings that wait for a person's consent on the chain, and those that need none."""

import os
import signal
from typing import Any

from e2e.processes import operator_process
from e2e.scenes import members_of
from e2e.tenant import INSTANCE_USER, Tenant
from e2e.waiting import eventually

CROWD = 12
ALLOW = "iam.cloudsql.dev/allow-removals"


def member(name: str) -> str:
    """The IAM member of an account."""
    return f"serviceAccount:{name}@acme-prod.iam.gserviceaccount.com"


def bound(tenant: Tenant, names: list[str]) -> set[str]:
    """Those of these that may log in."""
    return {name for name in names if member(name) in members_of(tenant.stage, INSTANCE_USER)}


def users(tenant: Tenant, *names: str) -> None:
    """Make users of accounts of their names, all of them Ready."""
    for name in names:
        tenant.account(name)
    for name in names:
        tenant.user(name)
    for name in names:
        tenant.ready("csqlu", name)


def crowd(tenant: Tenant, prefix: str) -> list[str]:
    """Names of many users of one instance, all of them Ready."""
    names = [f"{prefix}-{number}" for number in range(CROWD)]
    tenant.instance()
    users(tenant, *names)
    return names


def removals(tenant: Tenant) -> dict[str, Any]:
    """What waits, as the CloudSQLInstance tells it."""
    told = tenant.kubectl.get("csqli", tenant.name)["status"].get("removals", {})
    assert isinstance(told, dict)
    return told


def allow(tenant: Tenant) -> None:
    """Allow what waits just now, as the message says."""
    if shown := removals(tenant).get("hash"):
        tenant.kubectl("annotate", "csqli", tenant.name, f"{ALLOW}={shown}", "--overwrite")


def test_what_a_narrowed_rule_takes_from_many_waits_for_the_consent_that_names_it(tenant: Tenant) -> None:
    names = crowd(tenant, "crowd")

    tenant.instance(tenant.rule(principals={"users": ["nobody@acme.example"]}))

    for name in names:
        tenant.ready("csqlu", name, status="False")
    eventually(lambda: removals(tenant).get("members", 0) > 0, "the instance tells what waits")
    left = bound(tenant, names)
    assert left

    os.kill(operator_process(), signal.SIGKILL)

    for name in sorted(left):
        tenant.look_now("csqlu", name)
    assert bound(tenant, names) == left

    def allowed() -> bool:
        allow(tenant)
        return not bound(tenant, names)

    eventually(allowed, "what waited is removed, by consent to exactly that")
    eventually(lambda: "hash" not in removals(tenant), "nothing waits any more")


def test_a_namespace_with_many_users_goes_without_anybodys_consent(tenant: Tenant) -> None:
    names = crowd(tenant, "going")

    tenant.delete("csqlu", *names)

    assert not bound(tenant, names)
    assert not {f"{name}@acme-prod.iam" for name in names} & set(tenant.stage.cloud.users())


def test_where_no_removal_goes_without_consent_one_deletion_waits_and_holds_up_nobody(tenant: Tenant) -> None:
    tenant.instance(iam={"maxRemovals": 0})
    users(tenant, "pruned")

    tenant.kubectl.delete("csqlu", "pruned", namespace=tenant.name, wait=False)

    tenant.ready("csqlu", "pruned", status="False", reason="RemovalThresholdExceeded")
    tenant.kubectl("annotate", "csqlu", "pruned", "-n", tenant.name, "iam.cloudsql.dev/force-remove=true")
    eventually(lambda: "counts once" in told(tenant, "pruned"), "force is told to wait for the bindings")
    users(tenant, "newcomer")
    assert bound(tenant, ["pruned", "newcomer"]) == {"pruned", "newcomer"}
    tenant.kubectl("annotate", "csqli", tenant.name, f"{ALLOW}=true")
    assert "pruned@acme-prod.iam" in tenant.stage.cloud.users()
    eventually(lambda: removals(tenant).get("members") == 1, "the instance tells what waits")
    allow(tenant)
    tenant.kubectl.gone("csqlu", "pruned", tenant.name)
    assert bound(tenant, ["pruned", "newcomer"]) == {"newcomer"}
    assert "pruned@acme-prod.iam" not in tenant.stage.cloud.users()
    tenant.instance()


def told(tenant: Tenant, name: str) -> str:
    """What the object says of itself."""
    return str(tenant.kubectl.condition("csqlu", name, "Ready", tenant.name).get("message"))


def test_a_namespace_beyond_the_limit_stays_until_somebody_raises_that(tenant: Tenant) -> None:
    tenant.instance(iam={"maxRemovals": 0})
    names = ["first", "second"]
    users(tenant, *names)

    tenant.kubectl("delete", "namespace", tenant.name, "--wait=false")

    for name in names:
        tenant.ready("csqlu", name, status="False", reason="RemovalThresholdExceeded")
    assert bound(tenant, names) == set(names)
    tenant.instance(iam={"maxRemovals": 2})
    tenant.kubectl.gone("namespace", tenant.name)
    assert bound(tenant, names) == set()
