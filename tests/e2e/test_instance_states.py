"""What the state of the instance means for the users on it."""

from collections.abc import Iterator
from typing import Any

import pytest

from cloudsql_emulator.admin_client import AdminClient
from e2e.scenes import Stage
from e2e.tenant import Tenant

ORDERS = ("acme-prod", "orders")
_MERGE = ("--type=merge", "-p")


@pytest.fixture
def control(stage: Stage) -> Iterator[AdminClient]:
    """The emulator's controls; at the end the instance runs again and takes IAM logins."""
    yield stage.cloud.control
    stage.cloud.control.start_instance(*ORDERS)
    stage.cloud.control.set_flag(*ORDERS, "cloudsql.iam_authentication", "on")


def test_an_instance_without_iam_logins_stalls_its_users_until_the_flag_is_on(
    control: AdminClient, tenant: Tenant
) -> None:
    control.set_flag(*ORDERS, "cloudsql.iam_authentication", "off")
    tenant.account("flagless")
    before = control.position()

    tenant.instance()
    tenant.look_now("csqli")
    tenant.user("flagless")

    tenant.ready("csqli", status="False", reason="IAMAuthenticationDisabled")
    assert "cloudsql.iam_authentication" in tenant.stalled("csqlu", "flagless", "IAMAuthenticationDisabled")
    assert _operators_writes(control, before) == []
    control.set_flag(*ORDERS, "cloudsql.iam_authentication", "on")
    tenant.look_now("csqli")
    tenant.look_now("csqlu", "flagless")
    tenant.ready("csqlu", "flagless")


def test_a_stopped_instance_is_waited_for_and_used_when_it_runs_again(control: AdminClient, tenant: Tenant) -> None:
    control.stop_instance(*ORDERS)
    tenant.account("patient")
    before = control.position()

    tenant.instance()
    tenant.look_now("csqli")
    tenant.user("patient")

    tenant.ready("csqli", status="False", reason="InstanceStopped")
    tenant.ready("csqlu", "patient", status="False", reason="InstanceStopped")
    assert _operators_writes(control, before) == []
    control.start_instance(*ORDERS)
    tenant.look_now("csqli")
    tenant.ready("csqli")
    tenant.ready("csqlu", "patient")
    assert "patient@acme-prod.iam" in tenant.stage.cloud.users()


def test_a_deletion_waits_for_a_stopped_instance_until_it_runs_or_a_person_gives_up(
    control: AdminClient, tenant: Tenant
) -> None:
    names = ("waiter", "quitter", "leaver")
    for name in names:
        tenant.account(name)
    tenant.instance(tenant.rule(allowRetain=True))
    for name in names:
        tenant.user(name)
        tenant.grant(name, name)
        tenant.ready("dbg", name)
    control.stop_instance(*ORDERS)
    tenant.look_now("csqli")

    tenant.kubectl("delete", "dbg", *names, "-n", tenant.name, "--wait=false")

    told: dict[str, str] = {}
    for name in names:
        told[name] = tenant.ready("dbg", name, status="False", reason="InstanceStopped")["message"]
        assert "start it" in told[name]
    tenant.kubectl("patch", "dbg", "quitter", "-n", tenant.name, *_MERGE, '{"spec": {"deletionPolicy": "Retain"}}')
    tenant.kubectl.gone("dbg", "quitter", tenant.name)
    tenant.kubectl(*told["leaver"].split("to leave in force what was granted: kubectl ")[1].split())
    tenant.kubectl.gone("dbg", "leaver", tenant.name)
    assert [e["type"] for e in _events(tenant, "leaver") if e["reason"] == "GivenUp"] == ["Warning"]
    assert tenant.kubectl.get("dbg", "waiter", tenant.name)["metadata"]["finalizers"] == ["iam.cloudsql.dev/finalizer"]

    control.start_instance(*ORDERS)
    tenant.look_now("csqli")
    tenant.kubectl.gone("dbg", "waiter", tenant.name)
    left = str(tenant.stage.cloud.acls("orders"))
    assert [name for name in names if f"{name}@acme-prod.iam" in left] == ["quitter", "leaver"]
    tenant.stage.cloud.sql("orders", 'DROP OWNED BY "quitter@acme-prod.iam", "leaver@acme-prod.iam"')


def test_an_instance_that_was_deleted_holds_up_no_deletion(control: AdminClient, tenant: Tenant) -> None:
    tenant.account("survivor")
    tenant.instance()
    tenant.user("survivor")
    tenant.grant("survivor", "survivor")
    tenant.ready("dbg", "survivor")
    absent: dict[str, Any] = {"status": 404, "times": None, "message": "The Cloud SQL instance does not exist."}
    for method in ("sql.instances.get", "sql.users.list", "sql.users.delete"):
        control.add_fault(method, **absent)
    tenant.look_now("csqli")

    tenant.delete("dbg", "survivor")
    tenant.delete("csqlu", "survivor")

    assert "survivor" not in tenant.stage.cloud.policy_text()
    control.clear_faults()
    tenant.stage.cloud.sql("orders", 'DROP OWNED BY "survivor@acme-prod.iam"')
    tenant.stage.cloud.delete_user("survivor@acme-prod.iam")


def test_an_instance_that_google_does_not_have_is_named(tenant: Tenant) -> None:
    tenant.account("lost")

    tenant.instance(connectionName="acme-prod:europe-west1:no-such")
    tenant.user("lost")

    message = tenant.ready("csqli", status="False", reason="InstanceNotFound")["message"]
    assert "acme-prod:europe-west1:no-such" in message
    tenant.ready("csqlu", "lost", status="False", reason="InstanceNotFound")


def _events(tenant: Tenant, name: str) -> list[dict[str, Any]]:
    return tenant.kubectl.list("events", tenant.name, fields=f"involvedObject.name={name}")


def _operators_writes(control: AdminClient, since: int) -> list[str]:
    operator = "serviceAccount:operator@acme-prod.iam.gserviceaccount.com"
    return [entry.method for entry in control.writes(since=since, caller=operator)]
