"""Jobs that must not run twice: they start when their login works, however they are applied."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e import world
from e2e.tenant import API, READ_ORDERS, Tenant
from e2e.waiting import eventually

INJECT = "iam.cloudsql.dev/inject"
WAIT = "iam.cloudsql.dev/wait"
MIGRATION = "psql -XAt -v ON_ERROR_STOP=1 -c 'select current_user, count(*) from app.orders group by 1'"
HOOKS = {"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-delete-policy": "hook-failed"}


@pytest.fixture
def ground(tenant: Tenant) -> Iterator[Tenant]:
    """A tenant with an instance, and a Google account that the ServiceAccount `once` may act as, which is not there."""
    tenant.account("once")
    tenant.kubectl.delete("serviceaccounts", "once", namespace=tenant.name)
    tenant.instance()
    yield tenant
    tenant.kubectl("delete", "jobs", "--all", "-n", tenant.name, "--wait=true", "--timeout=60s")


def account(tenant: Tenant, **annotations: str) -> dict[str, Any]:
    mark = {"iam.gke.io/gcp-service-account": f"once@{world.PROJECT}.iam.gserviceaccount.com"}
    metadata = {"name": "once", "namespace": tenant.name, "annotations": mark | annotations}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def user(tenant: Tenant, **annotations: str) -> dict[str, Any]:
    principal = {"kubernetesServiceAccount": {"name": "once"}}
    return {
        "apiVersion": API,
        "kind": "CloudSQLIAMUser",
        "metadata": {"name": "once", "namespace": tenant.name, "annotations": annotations},
        "spec": {"instanceRef": {"name": tenant.name}, "principal": principal},
    }


def grant(tenant: Tenant, **annotations: str) -> dict[str, Any]:
    spec = {"instanceRef": {"name": tenant.name}, "database": "orders", "grantees": [{"userRef": {"name": "once"}}]}
    return {
        "apiVersion": API,
        "kind": "DatabaseGrant",
        "metadata": {"name": "once", "namespace": tenant.name, "annotations": annotations},
        "spec": {**spec, "grants": list(READ_ORDERS)},
    }


def job(tenant: Tenant, pod: dict[str, str], **annotations: str) -> dict[str, Any]:
    """A Job that is failed for good when its one pod fails."""
    template = {
        "metadata": {"annotations": {INJECT: "once", "iam.cloudsql.dev/database": "orders"} | pod},
        "spec": {
            "serviceAccountName": "once",
            "restartPolicy": "Never",
            "containers": [{"name": "migrate", "image": "postgres:17", "args": [MIGRATION]}],
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once", "namespace": tenant.name, "annotations": annotations},
        "spec": {"backoffLimit": 0, "template": template},
    }


def finished(tenant: Tenant) -> str:
    """What the Job's only pod printed, once it has finished."""

    def look() -> bool:
        status = tenant.kubectl.get("jobs", "once", tenant.name).get("status", {})
        assert not status.get("failed"), status
        return bool(status.get("succeeded"))

    eventually(look, "the Job has finished")
    return tenant.kubectl("logs", "-n", tenant.name, "job/once", "-c", "migrate")


def applied(tenant: Tenant, *objects: dict[str, Any]) -> None:
    tenant.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))


@pytest.mark.parametrize("order", ["user first", "job first"])
def test_a_job_in_one_apply_with_its_user_and_grant_finishes(ground: Tenant, order: str) -> None:
    objects = [account(ground), user(ground), grant(ground), job(ground, {})]
    applied(ground, *(objects if order == "user first" else [*reversed(objects)]))

    assert finished(ground) == f"once@{world.PROJECT}.iam|3\n"


def test_a_job_that_waits_for_iam_is_told_until_when(ground: Tenant) -> None:
    applied(ground, account(ground), user(ground), grant(ground), job(ground, {WAIT: "propagated"}))
    ground.ready("csqlu", "once")
    until = ground.kubectl.get("csqlu", "once", ground.name)["status"]["iam"]["propagationUntil"]

    def told() -> bool:
        events = ground.kubectl.list("event", ground.name, fields="involvedObject.kind=Job,reason=FailedCreate")
        return any(f"IAM may take until {until}" in event["message"] for event in events)

    eventually(told, "the Job's Event says until when its pod is refused")
    assert ground.kubectl.list("pods", ground.name) == []


def chart(directory: Path, tenant: Tenant, policy: dict[str, str]) -> Path:
    """A chart whose migration, user and grant are hooks that run before everything else."""

    def hook(weight: str) -> dict[str, str]:
        return policy | {"helm.sh/hook-weight": weight}

    shown = {"helm.sh/hook": policy["helm.sh/hook"], "helm.sh/hook-delete-policy": "before-hook-creation"}
    objects = [
        account(tenant, **hook("-10")),
        user(tenant, **hook("-5")),
        grant(tenant, **hook("-5")),
        job(tenant, {}, **shown),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop"}, "data": {"revision": "@"}},
    ]
    place = directory / "shop"
    (place / "templates").mkdir(parents=True)
    (place / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 0.1.0\n")
    text = yaml.safe_dump_all(objects).replace("'@'", "'{{ .Release.Revision }}'")
    (place / "templates" / "all.yaml").write_text(text)
    return place


def test_a_migration_in_a_hook_works_at_install_and_at_two_upgrades(ground: Tenant, tmp_path: Path) -> None:
    place, helm = str(chart(tmp_path, ground, HOOKS)), ground.stage.chain.helm
    where = ("--namespace", ground.name, "--timeout", "3m")

    for command in ("install", "upgrade", "upgrade"):
        helm(command, "shop", place, *where)

        assert finished(ground) == f"once@{world.PROJECT}.iam|3\n"
        ground.ready("csqlu", "once")
        ground.ready("dbg", "once")
    shop = ground.kubectl.get("configmaps", "shop", ground.name)
    assert shop["data"]["revision"] == "3"

    helm("uninstall", "shop", *where)
    assert json.loads(ground.kubectl("get", "csqlu", "once", "-n", ground.name, "-o", "json"))["spec"]
