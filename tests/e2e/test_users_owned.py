"""A database user that owns a table when its CloudSQLIAMUser is deleted, by each way of onOwnedObjects."""

from typing import Any

import pytest

from e2e import world
from e2e.tenant import Tenant
from e2e.waiting import eventually

OWNER_OF = "SELECT tableowner FROM pg_tables WHERE tablename = '{}'"
COMMAND = (
    "gcloud sql users assign-roles operator@acme-prod.iam --instance=orders --project=acme-prod "
    "--type=CLOUD_IAM_SERVICE_ACCOUNT --database-roles={}"
)


def owning(tenant: Tenant, name: str, **spec: Any) -> str:
    """A user that is ready and owns a table of its name; the database user."""
    tenant.account(name)
    tenant.instance(tenant.rule(databaseRoles=["app_owner"]))
    tenant.user(name, **spec)
    tenant.ready("csqlu", name)
    user = f"{name}@{world.PROJECT}.iam"
    tenant.stage.cloud.sql("orders", f'CREATE TABLE app.{name} (id int); ALTER TABLE app.{name} OWNER TO "{user}"')
    return user


def removed(tenant: Tenant, name: str) -> None:
    """Have the user deleted, and wait for nothing."""
    tenant.kubectl.delete("csqlu", name, namespace=tenant.name, wait=False)


def members(tenant: Tenant, name: str) -> list[str]:
    bindings = tenant.stage.cloud.policy()["bindings"]
    return [member for binding in bindings for member in binding["members"] if f":{name}@" in member]


def test_reassign_waits_with_the_command_that_helps_and_goes_on_once_it_was_run(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    user = owning(tenant, "leaver", onOwnedObjects="Reassign", reassignOwnedTo="app_owner")

    removed(tenant, "leaver")

    message = tenant.ready("csqlu", "leaver", status="False", reason="SQLPermissionDenied")["message"]
    assert COMMAND.format(user) in message
    assert (members(tenant, "leaver"), user in cloud.users()) == ([], True)
    cloud.assign_role("operator@acme-prod.iam", user)
    tenant.kubectl.gone("csqlu", "leaver", tenant.name)
    assert user not in cloud.users()
    assert cloud.sql("orders", OWNER_OF.format("leaver")) == [("app_owner",)]
    cloud.sql("orders", "DROP TABLE app.leaver")


def test_block_names_what_is_owned_until_somebody_else_owns_it(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    user = owning(tenant, "blocked")

    removed(tenant, "blocked")

    message = tenant.stalled("csqlu", "blocked", "OwnsObjects")
    assert "database orders: table app.blocked (owned)" in message
    assert (members(tenant, "blocked"), user in cloud.users()) == ([], True)
    cloud.sql("orders", "DROP TABLE app.blocked")
    tenant.kubectl.gone("csqlu", "blocked", tenant.name)
    assert user not in cloud.users()


@pytest.mark.parametrize("way", ["Abandon", "force"])
def test_a_user_is_left_with_what_it_owns_and_nobody_logs_in_as_it(tenant: Tenant, way: str) -> None:
    cloud, name = tenant.stage.cloud, f"left{way.lower()}"
    user = owning(tenant, name, **({"onOwnedObjects": way} if way == "Abandon" else {}))

    removed(tenant, name)

    if way == "force":
        tenant.stalled("csqlu", name, "OwnsObjects")
        tenant.kubectl("annotate", "csqlu", name, "-n", tenant.name, "iam.cloudsql.dev/force-remove=true")
    tenant.kubectl.gone("csqlu", name, tenant.name)
    assert (members(tenant, name), user in cloud.users()) == ([], True)
    reason = "UserLeft" if way == "Abandon" else "ForceRemoved"
    eventually(lambda: reason in tenant.kubectl("get", "events", "-n", tenant.name), f"the Event {reason} is posted")
    cloud.sql("orders", f"DROP TABLE app.{name}")
    cloud.delete_user(user)
