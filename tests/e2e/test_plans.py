"""Plans on the chain: shown, approved by their hash, executed once, and the same from the command line."""

import base64
import gzip
import json
from typing import Any

from e2e import world
from e2e.chain import IMAGE
from e2e.objects import Refusal
from e2e.tenant import API, Tenant
from e2e.waiting import eventually

ROLE = "clerk@acme-prod.iam"
GRANT_ORDERS = f'GRANT SELECT ON TABLE "app"."orders" TO "{ROLE}"'
EVERY = {"kind": "Table", "schema": "app", "names": ["*"], "privileges": ["SELECT"]}
ORDERS = {"kind": "Table", "schema": "app", "names": ["orders"], "privileges": ["SELECT"]}
PLANS = "cloudsql-iam-operator-plans"
MANY = """
CREATE SCHEMA wide AUTHORIZATION app_owner;
SET ROLE app_owner;
DO $$ BEGIN FOR i IN 1..5000 LOOP
    EXECUTE format('CREATE TABLE wide.t%s (c%s int)', i, i);
    EXECUTE format('GRANT SELECT (c%s) ON wide.t%s TO "clerk@acme-prod.iam"', i, i);
END LOOP; END $$;
"""
"""Rights on columns of 5,000 names, which no two tables share: nothing that takes them away can be one statement."""


def test_a_plan_is_shown_and_writes_nothing_until_its_hash_is_approved(clerk: Tenant) -> None:
    sent = clerk.stage.cloud.granting_statements()
    clerk.grant("careful", "clerk", ORDERS, mode="Plan")
    told = clerk.ready("dbg", "careful", status="False", reason="Planned")
    plan = status(clerk, "careful")["plan"]

    assert plan["sample"] == [GRANT_ORDERS]
    assert f"iam.cloudsql.dev/approve={plan['hash']}" in told["message"]
    assert clerk.stage.cloud.granting_statements() == sent

    approve(clerk, "careful", plan["hash"])

    clerk.ready("dbg", "careful")
    after = status(clerk, "careful")
    assert clerk.stage.cloud.granting_statements()[len(sent) :] == [GRANT_ORDERS]
    assert "plan" not in after
    assert (after["approved"], after["last"]["sample"]) == (plan["hash"], [GRANT_ORDERS])
    eventually(lambda: "Approved" in reasons_of_events(clerk), "an Event tells of it")

    clerk.delete("dbg", "careful")
    assert clerk.stage.cloud.granting_statements()[-1].startswith("REVOKE SELECT")


def test_an_approved_plan_is_not_executed_once_the_database_has_changed(clerk: Tenant) -> None:
    cloud = clerk.stage.cloud
    clerk.grant("outrun", "clerk", EVERY, mode="Plan")
    clerk.ready("dbg", "outrun", status="False", reason="Planned")
    first = status(clerk, "outrun")["plan"]
    sent = cloud.granting_statements()
    cloud.sql("orders", "CREATE TABLE app.later (id int); ALTER TABLE app.later OWNER TO app_owner")
    try:
        approve(clerk, "outrun", first["hash"])

        told = clerk.ready("dbg", "outrun", status="False", reason="PlanChanged")
        second = status(clerk, "outrun")
        assert cloud.granting_statements() == sent
        assert second["plan"]["hash"] != first["hash"]
        assert '"app"."later"' in second["plan"]["sample"][0]
        assert f"iam.cloudsql.dev/approve={second['plan']['hash']}" in told["message"]
        assert (second["applied"], "approved" in second) == ([], False)

        approve(clerk, "outrun", second["plan"]["hash"])

        clerk.ready("dbg", "outrun")
        assert cloud.granting_statements()[len(sent) :] == second["plan"]["sample"]
    finally:
        clerk.delete("dbg", "outrun")
        cloud.sql("orders", "DROP TABLE app.later")


def test_an_approval_counts_once(clerk: Tenant) -> None:
    cloud = clerk.stage.cloud
    clerk.grant("once", "clerk", ORDERS, mode="Plan")
    clerk.ready("dbg", "once", status="False", reason="Planned")
    hash_ = status(clerk, "once")["plan"]["hash"]
    approve(clerk, "once", hash_)
    clerk.ready("dbg", "once")

    cloud.sql("orders", f'SET ROLE app_owner; REVOKE SELECT ON app.orders FROM "{ROLE}"')
    sent = cloud.granting_statements()
    clerk.look_now("dbg", "once")

    told = clerk.ready("dbg", "once", status="False", reason="PlanChanged")
    assert "executed once" in told["message"]
    assert status(clerk, "once")["plan"]["hash"] == hash_
    assert cloud.granting_statements() == sent

    approve(clerk, "once", "")
    clerk.ready("dbg", "once", status="False", reason="Planned")
    approve(clerk, "once", hash_)
    clerk.ready("dbg", "once")
    assert cloud.granting_statements()[len(sent) :] == [GRANT_ORDERS]


def test_the_command_shows_the_plan_that_the_operator_shows_and_writes_nothing(clerk: Tenant) -> None:
    cloud = clerk.stage.cloud
    clerk.grant("same", "clerk", ORDERS, mode="Plan")
    clerk.ready("dbg", "same", status="False", reason="Planned")
    hash_ = status(clerk, "same")["plan"]["hash"]
    sent = cloud.granting_statements()

    code, text = command(clerk, "-o", "json", manifest=manifest(clerk, "same", ORDERS))
    told = json.loads(text)["grants"]

    assert code == 2
    assert [(one["name"], one["database"], one["statements"], one["hash"], one["problems"]) for one in told] == [
        ("same", "orders", [GRANT_ORDERS], hash_, [])
    ]
    code, text = command(clerk, manifest=manifest(clerk, "other", ORDERS, EVERY))
    assert code == 2
    assert text.splitlines()[0] == f"-- instance {world.CONNECTION}, database orders"
    assert f'GRANT SELECT ON TABLE "app"."items", "app"."orders", "app"."secrets" TO "{ROLE}";' in text.splitlines()
    assert cloud.granting_statements() == sent
    assert clerk.kubectl.get("dbg", "other", clerk.name) == {}

    approve(clerk, "same", hash_)
    clerk.ready("dbg", "same")
    code, text = command(clerk, manifest=manifest(clerk, "same", ORDERS))
    assert (code, f"-- DatabaseGrant {clerk.name}/same: nothing to do" in text) == (0, True)

    greedy = {**ORDERS, "privileges": ["DELETE"]}
    code, text = command(clerk, manifest=manifest(clerk, "same", greedy))
    assert (code, "-- PrivilegeNotAllowed: " in text) == (1, True)


def test_a_retained_grant_leaves_what_it_granted_and_sends_nothing(clerk: Tenant) -> None:
    cloud = clerk.stage.cloud
    clerk.instance(clerk.rule(allowRetain=True))
    clerk.grant("kept", "clerk", ORDERS, deletionPolicy="Retain")
    clerk.ready("dbg", "kept")
    before, sent = cloud.acls("orders"), cloud.granting_statements()

    clerk.delete("dbg", "kept")

    assert cloud.granting_statements() == sent
    assert cloud.acls("orders") == before
    cloud.sql("orders", f'SET ROLE app_owner; REVOKE SELECT ON app.orders FROM "{ROLE}"')


def test_a_plan_of_5000_statements_is_whole_beside_a_small_status(clerk: Tenant) -> None:
    cloud = clerk.stage.cloud
    clerk.instance(clerk.rule(schemas=["wide"], allowExclusive=True))
    cloud.sql("orders", MANY)
    usage = {"kind": "Schema", "schemas": ["wide"], "privileges": ["USAGE"]}
    try:
        clerk.grant("many", "clerk", usage, mode="Plan", enforcement="Exclusive")

        clerk.ready("dbg", "many", status="False", reason="Planned")
        first = status(clerk, "many")
        assert first["plan"]["statements"] == 5001
        assert len(json.dumps(first)) < 8192
        assert first["plan"]["ref"] == {"name": PLANS, "key": "many.sql.gz"}
        lines = stored(clerk, "many").splitlines()
        assert len(lines) == 5001
        assert lines[0] == f'GRANT USAGE ON SCHEMA "wide" TO "{ROLE}";'
        assert f'REVOKE SELECT ("c4711") ON TABLE "wide"."t4711" FROM "{ROLE}";' in lines

        clerk.look_now("dbg", "many")
        assert status(clerk, "many")["plan"] == first["plan"]

        clerk.grant("many", "clerk", usage, mode="Plan", enforcement="Managed")
        clerk.ready("dbg", "many", status="False", reason="Planned")
        eventually(lambda: "ref" not in status(clerk, "many")["plan"], "the plan is short")
        assert clerk.kubectl.get("configmap", PLANS, clerk.name) == {}
    finally:
        clerk.delete("dbg", "many")
        cloud.sql("orders", "SET client_min_messages = warning; DROP SCHEMA wide CASCADE")


def test_the_operator_may_write_no_other_config_map(clerk: Tenant) -> None:
    account = f"--as=system:serviceaccount:{world.NAMESPACE}:cloudsql-iam-operator"
    every = ("create", "patch", "delete")

    assert [may(clerk, verb, f"configmaps/{PLANS}", account) for verb in every] == ["yes", "yes", "yes"]
    assert [may(clerk, verb, "configmaps/other", account) for verb in (*every, "get")] == ["no", "no", "no", "no"]
    assert may(clerk, "get", f"configmaps/{PLANS}", account) == "no"


def may(tenant: Tenant, verb: str, what: str, account: str) -> str:
    try:
        return tenant.kubectl("auth", "can-i", verb, what, "-n", tenant.name, account).strip()
    except Refusal:
        return "no"


def stored(tenant: Tenant, name: str) -> str:
    """A plan that the status has no room for, as SQL."""
    found = tenant.kubectl.get("configmap", PLANS, tenant.name)
    owners = [owner["name"] for owner in found["metadata"]["ownerReferences"]]
    assert owners == [name]
    return gzip.decompress(base64.b64decode(found["binaryData"][f"{name}.sql.gz"])).decode()


def manifest(tenant: Tenant, name: str, *grants: dict[str, Any]) -> dict[str, Any]:
    """A DatabaseGrant as a file in a repository has it."""
    spec = {
        "instanceRef": {"name": tenant.name},
        "database": "orders",
        "grantees": [{"userRef": {"name": "clerk"}}],
        "grants": list(grants),
    }
    return {"apiVersion": API, "kind": "DatabaseGrant", "metadata": {"name": name}, "spec": spec}


def command(tenant: Tenant, *flags: str, manifest: dict[str, Any]) -> tuple[int, str]:
    """Exit status and output of `plan`, run by a pod under the operator's own account."""
    kubectl = tenant.kubectl
    files = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "manifests", "namespace": world.NAMESPACE}}
    kubectl.declare({**files, "data": {"grant.yaml": json.dumps(manifest)}})
    container = {
        "name": "plan",
        "image": f"{IMAGE}:any",
        "args": ["plan", "-f", "/manifests", "-n", tenant.name, *flags],
        "volumeMounts": [{"name": "manifests", "mountPath": "/manifests"}],
    }
    spec = {
        "serviceAccountName": "cloudsql-iam-operator",
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "manifests", "configMap": {"name": "manifests"}}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plan", "namespace": world.NAMESPACE}, "spec": spec}
    kubectl.declare(pod)
    try:

        def ended() -> dict[str, Any]:
            found = kubectl.get("pod", "plan", world.NAMESPACE)["status"]
            assert found["phase"] in {"Succeeded", "Failed"}, found
            state: dict[str, Any] = found["containerStatuses"][0]["state"]["terminated"]
            return state

        code: int = eventually(ended, "the command ended")["exitCode"]
        return code, kubectl("logs", "plan", "-n", world.NAMESPACE)
    finally:
        kubectl.delete("pod", "plan", namespace=world.NAMESPACE)
        kubectl.delete("configmap", "manifests", namespace=world.NAMESPACE)


def status(tenant: Tenant, name: str) -> dict[str, Any]:
    told: dict[str, Any] = tenant.kubectl.get("dbg", name, tenant.name)["status"]
    return told


def approve(tenant: Tenant, name: str, hash_: str) -> None:
    tenant.kubectl.annotate("dbg", name, tenant.name, {"iam.cloudsql.dev/approve": hash_ or None})


def reasons_of_events(tenant: Tenant) -> set[str]:
    return {event["reason"] for event in tenant.kubectl.list("events", tenant.name)}
