"""Jobs that must not run twice: they start when their login works, however they are applied."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.migrations import LOGIN, MIGRATION, WAIT, account, applied, finished, grant, job, template, user
from e2e.tenant import READ_ORDERS, Tenant
from e2e.waiting import eventually

HOOKS = {"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-delete-policy": "hook-failed"}
INSTALLATION = {"helm.sh/hook": "pre-install"}


@pytest.mark.parametrize("order", ["user first", "job first"])
def test_a_job_in_one_apply_with_its_user_and_grant_finishes(ground: Tenant, order: str) -> None:
    objects = [account(ground), user(ground), grant(ground), job(ground, {})]
    applied(ground, *(objects if order == "user first" else [*reversed(objects)]))

    assert finished(ground) == f"{LOGIN}|3\n"


HOUR = 3600.0


@pytest.fixture
def late(ground: Tenant) -> Iterator[Tenant]:
    """IAM takes an hour to act, longer than any test waits."""
    control = ground.stage.cloud.control
    control.set_propagation(grants=HOUR)
    yield ground
    control.set_propagation()


def named(name: str, of: dict[str, Any]) -> dict[str, Any]:
    return of | {"metadata": of["metadata"] | {"name": name}}


def test_a_job_that_waits_for_iam_starts_when_it_acts_and_logs_in_at_its_first_attempt(late: Tenant) -> None:
    jobs = [job(late, {WAIT: "propagated"}), named("early", job(late, {}))]
    applied(late, account(late), user(late), grant(late), *jobs)
    until = eventually(lambda: promised(late), "the status says when IAM acts")

    def told() -> bool:
        events = late.kubectl.list("event", late.name, fields="involvedObject.name=once,reason=FailedCreate")
        return any(f"IAM may take until {until}" in event["message"] for event in events)

    eventually(told, "the Job's Event says until when its pod is refused")
    eventually(lambda: late.kubectl.get("jobs", "early", late.name).get("status", {}).get("failed"), "one fails")
    assert pods_of(late, "once") == []

    def made() -> bool:
        come(late)  # a reconcile in between says again what it has read from the policy
        return bool(pods_of(late, "once"))

    with an_hour_later(late):
        eventually(made, "the Job's pod is made")

        assert finished(late) == f"{LOGIN}|3\n"
    assert len(pods_of(late, "once")) == 1


@contextmanager
def an_hour_later(tenant: Tenant) -> Iterator[None]:
    """The cloud's clock an hour ahead; other tests want it as it was."""
    control = tenant.stage.cloud.control
    control.advance_clock(HOUR)
    try:
        yield
    finally:
        control.advance_clock(-HOUR)


def promised(tenant: Tenant) -> str:
    status = tenant.kubectl.get("csqlu", "once", tenant.name).get("status", {})
    return str(status.get("iam", {}).get("propagationUntil", ""))


def come(tenant: Tenant) -> None:
    """The time of the status is now: nobody waits for the seven minutes that it says."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    patch = json.dumps({"status": {"iam": {"propagationUntil": now}}})
    where = ("-n", tenant.name, "--subresource=status", "--type=merge")
    tenant.kubectl("patch", "csqlu", "once", *where, f"--patch={patch}")


def pods_of(tenant: Tenant, name: str) -> list[dict[str, Any]]:
    return tenant.kubectl.list("pods", tenant.name, labels=f"batch.kubernetes.io/job-name={name}")


WRITE_ORDERS = (READ_ORDERS[0], {**READ_ORDERS[1], "privileges": ["SELECT", "INSERT"]})
MAY_WRITE = "psql -XAt -c \"select has_table_privilege('app.orders', 'INSERT')\""


def test_a_job_in_one_apply_with_what_it_needs_more_has_it(ground: Tenant) -> None:
    applied(ground, account(ground), user(ground), grant(ground))
    ground.ready("dbg", "once")

    applied(ground, grant(ground, *WRITE_ORDERS), job(ground, {}, MAY_WRITE))

    assert finished(ground) == "t\n"


def test_a_job_in_one_apply_with_the_edit_that_its_user_needs_finishes(ground: Tenant) -> None:
    refused = user(ground)
    refused["spec"]["databaseRoles"] = ["app_owner"]
    applied(ground, account(ground), refused)
    ground.stalled("csqlu", "once", "RoleNotAllowed")

    refused["spec"]["databaseRoles"] = []
    applied(ground, refused, grant(ground), job(ground, {}))

    assert finished(ground) == f"{LOGIN}|3\n"


def test_a_job_whose_user_is_deleted_while_it_waits_says_so_and_ends_at_its_deadline_or_with_the_user(
    ground: Tenant,
) -> None:
    held, with_end = user(ground), named("with-end", job(ground, {}))
    held["spec"]["suspend"] = True
    with_end["spec"]["activeDeadlineSeconds"] = 20
    applied(ground, account(ground), held, job(ground, {}), with_end)
    eventually(lambda: {"once", "with-end"} <= told_to_wait(ground), "both are told to wait")

    ground.delete("csqlu", "once")

    gone = f"CloudSQLIAMUser {ground.name}/once does not exist: create it"
    eventually(lambda: gone in refusals(ground, "once"), "the Job's Events say that the user is gone")
    eventually(lambda: reason_of(ground, "with-end") == "DeadlineExceeded", "a Job with a deadline ends")
    assert pods_of(ground, "once") == pods_of(ground, "with-end") == []
    applied(ground, user(ground), grant(ground))
    assert finished(ground) == f"{LOGIN}|3\n"


def refusals(tenant: Tenant, name: str) -> str:
    events = tenant.kubectl.list("event", tenant.name, fields=f"involvedObject.name={name},reason=FailedCreate")
    return " ".join(event["message"] for event in events)


def reason_of(tenant: Tenant, name: str) -> str:
    conditions = tenant.kubectl.get("jobs", name, tenant.name).get("status", {}).get("conditions") or ()
    return next((one["reason"] for one in conditions if one["type"] == "Failed"), "")


def shapes(tenant: Tenant) -> dict[str, dict[str, Any]]:
    """What makes pods that wait, in other shapes than a Job."""
    again = job(tenant, {})
    again["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    held = job(tenant, {})
    held["spec"]["suspend"] = True
    nightly = {"schedule": "0 3 1 1 *", "jobTemplate": {"spec": job(tenant, {})["spec"]}}
    server = template({WAIT: "ready"}, f"{MIGRATION} && sleep 3600", restartPolicy="Always")
    server["metadata"]["labels"] = {"app": "server"}
    first = {"serviceName": "server", "selector": {"matchLabels": {"app": "server"}}, "template": server}
    metadata = {"namespace": tenant.name}
    return {
        "again": named("again", again),
        "held": named("held", held),
        "nightly": {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": nightly},
        "server": {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": first},
    }


def test_pods_of_every_shape_wait_for_their_user_and_log_in_at_their_first_attempt(ground: Tenant) -> None:
    made = {name: named(name, body) for name, body in shapes(ground).items()}
    applied(ground, account(ground), *made.values())
    here = ("-n", ground.name)
    ground.kubectl("create", "job", "tonight", "--from=cronjob/nightly", *here)
    ground.kubectl("patch", "job", "held", *here, "--type=merge", '--patch={"spec": {"suspend": false}}')
    refused = {"again", "held", "tonight", "server"}
    eventually(lambda: refused <= told_to_wait(ground), "every controller was refused")
    assert ground.kubectl.list("pods", ground.name) == []

    applied(ground, user(ground), grant(ground))

    for name in ("again", "held", "tonight"):  # a StatefulSet waits twice as long each time
        assert finished(ground, name) == f"{LOGIN}|3\n"
    eventually(lambda: said(ground, "server-0") == f"{LOGIN}|3\n", "the StatefulSet's first pod logs in", limit=900)
    pods = ground.kubectl.list("pods", ground.name)
    assert len(pods) == 4
    restarts = {each["restartCount"] for pod in pods for each in pod["status"]["containerStatuses"]}
    assert restarts == {0}
    ground.kubectl("delete", "statefulset,cronjob", "--all", *here, "--wait=true", "--timeout=60s")


def told_to_wait(tenant: Tenant) -> set[str]:
    events = tenant.kubectl.list("event", tenant.name, fields="reason=FailedCreate")
    return {e["involvedObject"]["name"] for e in events if "CloudSQLIAMUser" in e["message"]}


def said(tenant: Tenant, pod: str) -> str:
    return tenant.kubectl("logs", "-n", tenant.name, pod, "-c", "migrate")


def chart(directory: Path, tenant: Tenant, hooks: dict[str, str]) -> Path:
    """A chart whose migration, user and grant are hooks that run before everything else."""

    def hook(weight: str) -> dict[str, str]:
        return hooks | {"helm.sh/hook-weight": weight}

    shown = {"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-delete-policy": "before-hook-creation"}
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


FORMS = {"with server-side apply": (HOOKS, ()), "without, as Helm 3": (INSTALLATION, ("--server-side=false",))}


@pytest.mark.parametrize(("hooks", "flags"), FORMS.values(), ids=FORMS)
def test_a_migration_in_a_hook_works_at_install_and_at_two_upgrades(
    ground: Tenant, tmp_path: Path, hooks: dict[str, str], flags: tuple[str, ...]
) -> None:
    place, helm = str(chart(tmp_path, ground, hooks)), ground.stage.chain.helm
    where = ("--namespace", ground.name, "--timeout", "3m")

    for command in ("install", "upgrade", "upgrade"):
        helm(command, "shop", place, *where, *flags)

        assert finished(ground) == f"{LOGIN}|3\n"
        ground.ready("csqlu", "once")
        ground.ready("dbg", "once")
    shop = ground.kubectl.get("configmaps", "shop", ground.name)
    assert shop["data"]["revision"] == "3"

    helm("uninstall", "shop", *where)
    assert json.loads(ground.kubectl("get", "csqlu", "once", "-n", ground.name, "-o", "json"))["spec"]
