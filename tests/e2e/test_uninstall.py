"""The end of the operator or of its kinds, which is no end of anybody's access."""

from typing import Any

from e2e import world
from e2e.tenant import Tenant
from e2e.waiting import eventually

DEFINITIONS = (
    "cloudsqliamusers.iam.cloudsql.dev",
    "cloudsqlinstances.iam.cloudsql.dev",
    "databasegrants.iam.cloudsql.dev",
)


def outside(tenant: Tenant) -> tuple[Any, ...]:
    """Everything that access is made of: the policy, the database users, the privileges."""
    cloud = tenant.stage.cloud
    return cloud.policy_text(), cloud.users(), cloud.acls("orders")


def let_in(tenant: Tenant, name: str) -> tuple[Any, ...]:
    """Give an account a user and a grant; how the outside is then."""
    tenant.account(name)
    tenant.instance(tenant.rule(allowAdoption=True))
    tenant.user(name, adoptionPolicy="IfExists")
    tenant.grant(f"{name}-reads", name)
    tenant.ready("csqlu", name)
    tenant.ready("dbg", f"{name}-reads")
    return outside(tenant)


def test_an_uninstalled_chart_takes_nothing_away_and_a_new_one_takes_up_where_it_was(tenant: Tenant) -> None:
    chain, kubectl = tenant.stage.chain, tenant.kubectl
    before = let_in(tenant, "kept")

    chain.helm("uninstall", "cloudsql-iam-operator", "--namespace", world.NAMESPACE, "--wait")
    eventually(lambda: not kubectl.list("pods", world.NAMESPACE), "operator and webhook are gone")

    names = [one["metadata"]["name"] for one in kubectl.list("crd")]
    assert sorted(name for name in names if name.endswith("iam.cloudsql.dev")) == list(DEFINITIONS)
    assert "deletionTimestamp" not in kubectl.get("dbg", "kept-reads", tenant.name)["metadata"]
    assert outside(tenant) == before

    kubectl("delete", "lease", "cloudsql-iam-operator", "-n", world.NAMESPACE)  # else the new one waits it out
    chain.install()
    tenant.look_now("csqlu", "kept")
    tenant.look_now("dbg", "kept-reads")

    assert outside(tenant) == before


def test_deleted_definitions_take_nothing_away_and_new_ones_are_watched(tenant: Tenant) -> None:
    chain, cloud = tenant.stage.chain, tenant.stage.cloud
    before = let_in(tenant, "orphan")

    tenant.kubectl("delete", "crd", *DEFINITIONS, "--timeout=110s")

    assert outside(tenant) == before

    chain.install_definitions()
    assert let_in(tenant, "orphan") == before  # known again for what it is, and adopted

    tenant.delete("dbg", "orphan-reads")
    tenant.delete("csqlu", "orphan")
    assert "orphan@acme-prod.iam" in cloud.users()
    assert "orphan@acme-prod.iam" in str(cloud.acls("orders"))  # held before, and in no record any more: found
    cloud.sql("orders", 'DROP OWNED BY "orphan@acme-prod.iam"')
    cloud.delete_user("orphan@acme-prod.iam")


def test_definitions_deleted_while_no_operator_runs_go_when_one_comes_and_take_nothing_away(tenant: Tenant) -> None:
    chain, kubectl, cloud = tenant.stage.chain, tenant.kubectl, tenant.stage.cloud
    before = let_in(tenant, "stranded")
    kubectl("scale", "deployment", "cloudsql-iam-operator", "-n", world.NAMESPACE, "--replicas=0")
    eventually(lambda: not operators(tenant), "the operator is gone")

    kubectl("delete", "crd", *DEFINITIONS, "--wait=false")
    kubectl("scale", "deployment", "cloudsql-iam-operator", "-n", world.NAMESPACE, "--replicas=1")
    eventually(lambda: not definitions(tenant), "the definitions are gone")

    assert outside(tenant) == before
    chain.install_definitions()
    assert let_in(tenant, "stranded") == before

    tenant.delete("dbg", "stranded-reads")
    tenant.delete("csqlu", "stranded")
    cloud.sql("orders", 'DROP OWNED BY "stranded@acme-prod.iam"')
    cloud.delete_user("stranded@acme-prod.iam")


def test_a_definition_that_is_made_again_at_once_is_watched(tenant: Tenant) -> None:
    chain, kubectl, cloud = tenant.stage.chain, tenant.kubectl, tenant.stage.cloud
    before = let_in(tenant, "again")

    kubectl("delete", "crd", "databasegrants.iam.cloudsql.dev", "--timeout=110s")
    chain.install_definitions("databasegrants")

    assert outside(tenant) == before
    tenant.grant(
        "again-writes", "again", {"kind": "Table", "schema": "app", "names": ["orders"], "privileges": ["INSERT"]}
    )
    tenant.ready("dbg", "again-writes")
    tenant.delete("dbg", "again-writes")
    assert outside(tenant) == before
    cloud.sql("orders", 'REVOKE ALL ON app.orders FROM "again@acme-prod.iam"')
    cloud.sql("orders", 'REVOKE ALL ON SCHEMA app FROM "again@acme-prod.iam"')


def operators(tenant: Tenant) -> list[str]:
    pods = tenant.kubectl.list("pods", world.NAMESPACE)
    return [pod["metadata"]["name"] for pod in pods if "webhook" not in pod["metadata"]["name"]]


def definitions(tenant: Tenant) -> list[str]:
    names = [one["metadata"]["name"] for one in tenant.kubectl.list("crd")]
    return [name for name in names if name in DEFINITIONS]
