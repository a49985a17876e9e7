"""Principals of every kind, and those that Google or the rules do not know."""

import pytest

from e2e import world
from e2e.scenes import members_of, service_account
from e2e.tenant import CLIENT, INSTANCE_USER, Tenant
from e2e.waiting import eventually

OPERATOR = f"serviceAccount:{world.OPERATOR}"
WORKLOAD_IDENTITY_USER = "roles/iam.workloadIdentityUser"
GHOST = "ghost@acme-prod.iam.gserviceaccount.com"


def test_service_accounts_users_and_groups_get_members_and_user_types_of_their_own(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    batch = "batch@acme-prod.iam.gserviceaccount.com"
    cloud.control.add_principal("serviceAccount", batch)
    cloud.control.add_principal("user", "carla@acme.example")
    cloud.control.add_principal("group", "readers@acme.example")
    principals = {"serviceAccounts": [batch], "users": ["carla@acme.example"], "groups": ["readers@acme.example"]}
    tenant.instance(tenant.rule(principals=principals))

    tenant.user("batch", {"serviceAccount": batch})
    tenant.user("carla", {"user": "carla@acme.example"})
    tenant.user("readers", {"group": "readers@acme.example"})

    for name in ("batch", "carla", "readers"):
        tenant.ready("csqlu", name)
    types = {user["name"]: user["type"] for user in cloud.control.users("acme-prod", "orders")}
    assert types["batch@acme-prod.iam"] == "CLOUD_IAM_SERVICE_ACCOUNT"
    assert types["carla@acme.example"] == "CLOUD_IAM_USER"
    assert types["readers@acme.example"] == "CLOUD_IAM_GROUP"
    members = {f"serviceAccount:{batch}", "user:carla@acme.example", "group:readers@acme.example"}
    assert members <= members_of(tenant.stage, INSTANCE_USER)
    assert members <= members_of(tenant.stage, CLIENT)


def test_a_principal_that_google_does_not_know_is_named_and_holds_up_nobody_else(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    tenant.account("solid")
    tenant.instance(
        tenant.rule(principals={"kubernetesServiceAccounts": "Verified", "serviceAccounts": [GHOST]}),
    )

    tenant.user("ghost", {"serviceAccount": GHOST})
    tenant.user("solid")

    assert GHOST in tenant.stalled("csqlu", "ghost", "PrincipalNotFound")
    tenant.ready("csqlu", "solid")
    assert "solid@acme-prod.iam" in cloud.users()
    assert f"serviceAccount:{GHOST}" not in members_of(tenant.stage, INSTANCE_USER)


def test_an_account_that_does_not_list_the_workload_is_refused_with_both_names(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    email = tenant.account("borrowed")
    cloud.control.set_policy(f"projects/acme-prod/serviceAccounts/{email}", {"bindings": []})
    before = cloud.control.position()
    tenant.instance()

    tenant.user("borrowed")

    message = tenant.stalled("csqlu", "borrowed", "WorkloadIdentityMismatch")
    assert email in message
    assert (
        f"gcloud iam service-accounts add-iam-policy-binding {email} --role=roles/iam.workloadIdentityUser" in message
    )
    assert f"--member='serviceAccount:acme-prod.svc.id.goog[{tenant.name}/borrowed]'" in message
    assert cloud.control.writes(since=before, caller=OPERATOR) == []


def test_a_namespace_that_no_rule_lets_in_causes_no_write_outside(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    tenant.account("outsider")
    before = cloud.control.position()
    tenant.instance(tenant.rule(namespaces={"names": ["somebody-else"]}))

    tenant.user("outsider")
    tenant.grant("outsider", "outsider")

    assert tenant.name in tenant.stalled("csqlu", "outsider", "NamespaceNotAllowed")
    tenant.stalled("dbg", "outsider", "NamespaceNotAllowed")
    assert cloud.control.writes(since=before, caller=OPERATOR) == []


@pytest.mark.usefixtures("slow_policies")
def test_access_is_revoked_when_its_rule_is_withdrawn(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    acls = cloud.acls("orders")
    email = tenant.account("evicted")
    tenant.instance()
    tenant.user("evicted")
    tenant.grant("evicted", "evicted")
    tenant.ready("csqlu", "evicted")
    tenant.ready("dbg", "evicted")

    tenant.instance(tenant.rule(namespaces={"names": ["somebody-else"]}))

    tenant.ready("dbg", "evicted", status="False", reason="NamespaceNotAllowed")
    eventually(lambda: "evicted@acme-prod.iam" not in cloud.users(), "the user is deleted")
    tenant.ready("csqlu", "evicted", status="False", reason="NamespaceNotAllowed")
    assert f"serviceAccount:{email}" not in members_of(tenant.stage, INSTANCE_USER)
    assert cloud.acls("orders") == acls


def test_a_workforce_identity_gets_its_user_under_its_subject_and_logs_in_by_it(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    pool = "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject"
    tenant.instance(tenant.rule(principals={"workforceIdentities": [f"{pool}/*"]}))

    tenant.user("eve", {"workforceIdentity": f"{pool}/Eve@partner.example"})
    tenant.user("mallory", {"workforceIdentity": f"{pool.replace('staff', 'guests')}/Eve@partner.example"})

    tenant.ready("csqlu", "eve")
    tenant.stalled("csqlu", "mallory", "PrincipalNotAllowed")
    types = {user["name"]: user["type"] for user in cloud.control.users("acme-prod", "orders")}
    assert types["Eve@partner.example"] == "CLOUD_IAM_WORKFORCE_IDENTITY"
    assert f"{pool}/Eve@partner.example" in members_of(tenant.stage, INSTANCE_USER)
    tenant.delete("csqlu", "eve")
    assert "Eve@partner.example" not in cloud.users()


def test_database_roles_come_and_go_with_what_is_declared(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    tenant.account("clerk")
    cloud.sql("postgres", 'CREATE ROLE clerks; GRANT clerks TO "operator@acme-prod.iam" WITH ADMIN OPTION')
    tenant.instance(tenant.rule(databaseRoles=["clerks"]))

    def in_it() -> bool:
        where = "member = (SELECT oid FROM pg_roles WHERE rolname = 'clerk@acme-prod.iam')"
        found = cloud.sql(
            "postgres", f"SELECT count(*) FROM pg_auth_members WHERE roleid = 'clerks'::regrole AND {where}"
        )
        return bool(found[0][0])

    tenant.user("clerk", databaseRoles=["clerks"])
    tenant.ready("csqlu", "clerk")
    assert in_it()
    tenant.user("clerk")
    eventually(lambda: not in_it(), "the role is taken back")
    tenant.ready("csqlu", "clerk")
    tenant.user("clerk", databaseRoles=["clerks"])
    eventually(in_it, "the role is given again")
    tenant.instance(tenant.rule(databaseRoles=[]))
    eventually(lambda: not in_it(), "the role that no rule admits is taken back")
    tenant.stalled("csqlu", "clerk", "RoleNotAllowed")
    assert "clerk@acme-prod.iam" in cloud.users()
    tenant.delete("csqlu", "clerk")
    cloud.sql("postgres", "DROP ROLE clerks")


def test_what_a_user_owns_blocks_its_deletion_by_name_until_it_is_forced(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    tenant.account("hoarder")
    tenant.instance()
    tenant.user("hoarder")
    tenant.ready("csqlu", "hoarder")
    cloud.sql("orders", 'CREATE TABLE app.hoard (id int); ALTER TABLE app.hoard OWNER TO "hoarder@acme-prod.iam"')

    tenant.kubectl("delete", "csqlu", "hoarder", "-n", tenant.name, "--wait=false")

    assert "database orders: table app.hoard (owned)" in tenant.stalled("csqlu", "hoarder", "OwnsObjects")
    assert "serviceAccount:hoarder@acme-prod.iam.gserviceaccount.com" not in members_of(tenant.stage, INSTANCE_USER)
    tenant.kubectl("annotate", "csqlu", "hoarder", "-n", tenant.name, "iam.cloudsql.dev/force-remove=true")
    tenant.kubectl.gone("csqlu", "hoarder", tenant.name)
    assert "hoarder@acme-prod.iam" in cloud.users()
    cloud.sql("orders", "DROP TABLE app.hoard")
    cloud.delete_user("hoarder@acme-prod.iam")


@pytest.mark.usefixtures("slow_policies")
def test_a_service_account_that_acts_as_another_takes_users_and_privileges_along(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    first, second = tenant.account("mover"), "mover-2@acme-prod.iam.gserviceaccount.com"
    tenant.instance()
    tenant.user("mover")
    tenant.grant("reads", "mover")
    tenant.ready("dbg", "reads")
    cloud.control.add_principal("serviceAccount", second)
    workload = f"serviceAccount:{world.POOL}[{tenant.name}/mover]"
    cloud.control.add_binding(f"projects/acme-prod/serviceAccounts/{second}", WORKLOAD_IDENTITY_USER, workload)

    service_account(tenant.stage, "mover", second, tenant.name)
    tenant.look_now("csqlu", "mover")

    def moved() -> bool:
        held = str(cloud.acls("orders"))
        return "mover-2@acme-prod.iam" in held and "mover@acme-prod.iam" not in held

    eventually(moved, "the privileges are the new account's")
    tenant.ready("csqlu", "mover")
    tenant.ready("dbg", "reads")
    assert "mover@acme-prod.iam" not in cloud.users()
    assert f"serviceAccount:{first}" not in cloud.policy_text()
