"""The end of the operator, which is no end of anybody's access. It is played last: nothing works afterwards."""

from e2e import world
from e2e.chain import ROOT
from e2e.scenes import Stage
from e2e.tenant import Tenant
from e2e.waiting import eventually

DEFINITIONS = (
    "cloudsqliamusers.iam.cloudsql.dev",
    "cloudsqlinstances.iam.cloudsql.dev",
    "databasegrants.iam.cloudsql.dev",
)


def test_deleting_the_definitions_takes_the_objects_away_and_revokes_nothing(stage: Stage) -> None:
    cloud = stage.cloud
    tenant = Tenant(stage, "abandoned")
    tenant.arrive()
    tenant.account("kept")
    tenant.instance()
    tenant.user("kept")
    tenant.grant("kept-reads", "kept")
    tenant.ready("csqlu", "kept")
    tenant.ready("dbg", "kept-reads")
    policy, users, acls = cloud.policy_text(), cloud.users(), cloud.acls("orders")

    for name in ("databasegrants", "cloudsqliamusers", "cloudsqlinstances"):
        stage.chain.kubectl("delete", "crd", f"{name}.iam.cloudsql.dev", "--timeout=90s")

    assert "kept@acme-prod.iam" in users
    assert cloud.users() == users
    assert cloud.policy_text() == policy
    assert cloud.acls("orders") == acls


def test_an_uninstalled_chart_leaves_the_definitions_and_everybodys_access(stage: Stage) -> None:
    cloud, chain = stage.cloud, stage.chain
    here = ("--namespace", world.NAMESPACE, "--wait")
    chain.helm(
        "upgrade", "cloudsql-iam-operator", str(ROOT / "charts" / "cloudsql-iam-operator"), *here, "--reuse-values"
    )
    policy, users = cloud.policy_text(), cloud.users()

    chain.helm("uninstall", "cloudsql-iam-operator", *here)

    names = [one["metadata"]["name"] for one in chain.kubectl.list("crd")]
    assert sorted(name for name in names if name.endswith("iam.cloudsql.dev")) == list(DEFINITIONS)
    eventually(lambda: not chain.kubectl.list("pods", "-n", world.NAMESPACE), "operator and webhook are gone")
    assert cloud.users() == users
    assert cloud.policy_text() == policy
