"""Workloads of every shape log in through the proxy, beside proxies of others too, and injected by the command too."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from e2e.tenant import Tenant
from e2e.waiting import eventually

JSON = dict[str, Any]

INJECT = "iam.cloudsql.dev/inject"
LOGIN = "until psql -XAt -c 'select current_user'; do sleep 1; done"
STAY = f"{LOGIN}; sleep 3600"
GOOGLE = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.11.0"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
ENFORCED = {"pod-security.kubernetes.io/enforce": "restricted"}


def container(name: str, line: str = STAY, image: str = "postgres:17", **fields: Any) -> JSON:
    return {"name": name, "image": image, "args": [line], "securityContext": RESTRICTED, **fields}


def pod(name: str, *containers: JSON, annotations: dict[str, str] | None = None, **spec: Any) -> JSON:
    wished = {INJECT: "web", "iam.cloudsql.dev/database": "orders"}
    metadata = {"labels": {"app": name}, "annotations": wished | (annotations or {})}
    return {"metadata": metadata, "spec": {"serviceAccountName": "web", "containers": list(containers), **spec}}


def bare(name: str, *containers: JSON, **spec: Any) -> JSON:
    told = pod(name, *containers, **spec)
    return {"apiVersion": "v1", "kind": "Pod", **told, "metadata": {**told["metadata"], "name": name}}


def workload(kind: str, name: str, template: JSON, **spec: Any) -> JSON:
    version = "batch/v1" if kind == "Job" else "apps/v1"
    told = {"template": template, **({} if kind == "Job" else {"selector": {"matchLabels": {"app": name}}}), **spec}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": told}


def nightly() -> JSON:
    once = pod("nightly", container("app", LOGIN), restartPolicy="Never")
    spec = {"schedule": "0 3 1 1 *", "jobTemplate": {"spec": {"backoffLimit": 0, "template": once}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}, "spec": spec}


SERVER = (
    "mkdir -m 777 /tmp/d && exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c 'initdb -D /tmp/d/db "
    "-A trust >/dev/null && exec postgres -D /tmp/d/db -c unix_socket_directories=/tmp/d -c listen_addresses=0.0.0.0'"
)
"""A PostgreSQL server on its usual port; it refuses to run as root, which the process kubelet's containers are."""

MESH = [
    container("istio-init", "true", "busybox:1", command=["sh", "-c"]),
    container("istio-proxy", "sleep 3600", "busybox:1", command=["sh", "-c"], restartPolicy="Always"),
]
SHAPES: dict[str, tuple[JSON, tuple[str, ...]]] = {
    "deployment": (workload("Deployment", "deployment", pod("deployment", container("app"))), ("app",)),
    "statefulset": (
        workload("StatefulSet", "statefulset", pod("statefulset", container("app")), serviceName="statefulset"),
        ("app",),
    ),
    "daemonset": (workload("DaemonSet", "daemonset", pod("daemonset", container("app"))), ("app",)),
    "job": (
        workload("Job", "job", pod("job", container("app", LOGIN), restartPolicy="Never"), backoffLimit=0),
        ("app",),
    ),
    "nightly": (nightly(), ("app",)),
    "bare": (bare("bare", container("app")), ("app",)),
    "several": (bare("several", container("web"), container("worker")), ("web", "worker")),
    "migration": (
        bare("migration", container("app"), initContainers=[container("migrate", LOGIN)]),
        ("migrate", "app"),
    ),
    "mesh": (bare("mesh", container("app"), initContainers=[*MESH, container("migrate", LOGIN)]), ("migrate", "app")),
    "server": (
        bare(
            "server",
            container("app"),
            container("postgres", SERVER),
        ),
        ("app",),
    ),
}
"""What is applied, and the containers that log in; pods carry the name as their label `app`."""

FOREIGN: dict[str, JSON] = {
    "default-ports": {"args": ["--structured-logs", "--port=6000", "--quitquitquit", "acme-prod:europe-west1:legacy"]},
    "two-instances": {"args": ["--port=5432", "acme-prod:europe-west1:legacy", "acme-prod:europe-west1:audit"]},
    "in-the-environment": {
        "args": ["--structured-logs"],
        "env": [
            {"name": "CSQL_PROXY_INSTANCE_CONNECTION_NAME", "value": "acme-prod:europe-west1:legacy"},
            {"name": "CSQL_PROXY_PORT", "value": "5432"},
        ],
    },
}
"""Proxies that somebody else put beside the application, for other instances."""


@pytest.fixture
def web(tenant: Tenant) -> Iterator[Tenant]:
    """A restricted namespace with a user that can log in, and a grant that opens the database to it."""
    tenant.kubectl("label", "namespace", tenant.name, *(f"{name}={value}" for name, value in ENFORCED.items()))
    tenant.account("web")
    tenant.instance()
    tenant.user("web")
    tenant.grant("web", "web")
    tenant.ready("csqlu", "web")
    tenant.ready("dbg", "web")
    yield tenant
    kinds = "deployments,statefulsets,daemonsets,cronjobs,jobs,pods"
    tenant.kubectl("delete", kinds, "--all", "-n", tenant.name, "--wait=true", "--timeout=90s", "--grace-period=1")


def test_ten_shapes_of_workload_log_in_through_the_proxy(web: Tenant) -> None:
    for manifest, _ in SHAPES.values():
        web.kubectl.apply(placed(manifest, web))
    web.kubectl("create", "job", "nightly", "--from=cronjob/nightly", "-n", web.name)

    said = {name: logged_in(web, name, names) for name, (_, names) in SHAPES.items()}

    expected = "web@acme-prod.iam"
    assert said == {name: dict.fromkeys(names, expected) for name, (_, names) in SHAPES.items()}
    for name in ("job", "nightly"):
        eventually(lambda name=name: succeeded(web, name), f"Job {name} ends, and its proxy with it")  # type: ignore[misc]
    ready = "database system is ready to accept connections"
    server = the_pod(web, "server")
    log = ("logs", server["metadata"]["name"], "-n", web.name, "-c", "postgres")
    eventually(lambda: ready in web.kubectl(*log), "the PostgreSQL server beside the application has its port")
    restarts = {each["name"]: each["restartCount"] for each in statuses(the_pod(web, "server"))}
    assert restarts == dict.fromkeys(("cloudsql-proxy", "app", "postgres"), 0)


def test_pods_with_proxies_of_others_log_in_and_those_go_on_running(web: Tenant) -> None:
    for name, told in FOREIGN.items():
        other = {"name": "other", "image": GOOGLE, "securityContext": RESTRICTED, **told}
        web.kubectl.apply(placed(bare(name, container("app"), other), web))

    said = {name: logged_in(web, name, ("app",)) for name in FOREIGN}

    assert said == {name: {"app": "web@acme-prod.iam"} for name in FOREIGN}
    restarts = {name: {s["restartCount"] for s in statuses(the_pod(web, name))} for name in FOREIGN}
    assert restarts == {name: {0} for name in FOREIGN}


def test_a_pod_with_a_proxy_for_the_same_instance_runs_as_it_did(web: Tenant) -> None:
    env = [
        {"name": "CSQL_PROXY_INSTANCE_CONNECTION_NAME", "value": "acme-prod:europe-west1:orders"},
        {"name": "CSQL_PROXY_AUTO_IAM_AUTHN", "value": "true"},
        {"name": "CSQL_PROXY_PORT", "value": "5432"},
    ]
    other = {
        "name": "cloud-sql-proxy",
        "image": GOOGLE,
        "securityContext": RESTRICTED,
        "args": ["--private-ip"],
        "env": env,
    }
    own = [{"name": "PGHOST", "value": "127.0.0.1"}, {"name": "PGUSER", "value": "web@acme-prod.iam"}]
    app = container("app", env=[*own, {"name": "PGDATABASE", "value": "orders"}])

    web.kubectl.apply(placed(bare("twin", app, other), web))

    assert logged_in(web, "twin", ("app",)) == {"app": "web@acme-prod.iam"}
    assert [each["name"] for each in the_pod(web, "twin")["spec"]["containers"]] == ["app", "cloud-sql-proxy"]
    assert not the_pod(web, "twin")["spec"].get("initContainers")


def test_what_inject_prints_logs_in_and_the_webhook_adds_nothing(web: Tenant) -> None:
    deployment = workload("Deployment", "printed", pod("printed", container("app")))

    code, text = inject(web, placed(deployment, web))
    web.kubectl.apply(text)

    assert code == 0
    assert logged_in(web, "printed", ("app",)) == {"app": "web@acme-prod.iam"}
    printed, found = json_of(text)["spec"]["template"], the_pod(web, "printed")
    assert [each["name"] for each in found["spec"]["initContainers"]] == ["cloudsql-proxy"]
    assert found["spec"]["initContainers"][0]["args"] == printed["spec"]["initContainers"][0]["args"]
    assert found["metadata"]["annotations"] == printed["metadata"]["annotations"]
    assert inject(web, json.loads(json.dumps(json_of(text))), "--diff") == (0, "")


def test_a_workload_with_its_own_proxy_is_migrated_and_logs_in(web: Tenant) -> None:
    words = ["--private-ip", "--auto-iam-authn", "--port=6543", "acme-prod:europe-west1:orders"]
    other = {"name": "sql", "image": GOOGLE, "securityContext": RESTRICTED, "args": words}
    template = pod("moved", container("app", env=[{"name": "PGDATABASE", "value": "orders"}]), other)
    template["metadata"].pop("annotations")

    code, text = inject(web, placed(workload("Deployment", "moved", template), web), "--migrate")
    web.kubectl.apply(text)

    assert code == 0
    assert logged_in(web, "moved", ("app",)) == {"app": "web@acme-prod.iam"}
    found = the_pod(web, "moved")
    assert [each["name"] for each in found["spec"]["containers"]] == ["app"]
    assert "--port=6543" in found["spec"]["initContainers"][0]["args"]


def placed(manifest: JSON, tenant: Tenant) -> JSON:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": tenant.name}}


def the_pod(tenant: Tenant, name: str) -> JSON:
    pods = tenant.kubectl.list("pods", tenant.name, labels=f"app={name}")
    assert len(pods) == 1, tenant.kubectl("get", "events", "-n", tenant.name)
    return pods[0]


def statuses(found: JSON) -> list[JSON]:
    status = found["status"]
    return [*status.get("initContainerStatuses", ()), *status["containerStatuses"]]


def logged_in(tenant: Tenant, name: str, containers: tuple[str, ...]) -> dict[str, str]:
    """Whom each container has logged in as, once it has."""
    found = eventually(lambda: the_pod(tenant, name), f"there is a pod of {name}")

    def said(container: str) -> str:
        lines = tenant.kubectl("logs", found["metadata"]["name"], "-n", tenant.name, "-c", container).splitlines()
        users = [line for line in lines if line.endswith(".iam")]
        assert users, (name, lines[-3:], [s.get("state") for s in statuses(the_pod(tenant, name))])
        return users[0]

    return {each: eventually(lambda each=each: said(each), f"{each} of {name} logs in") for each in containers}  # type: ignore[misc]


def succeeded(tenant: Tenant, name: str) -> bool:
    return bool(tenant.kubectl.get("job", name, tenant.name).get("status", {}).get("succeeded"))


def inject(tenant: Tenant, manifest: JSON, *flags: str) -> tuple[int, str]:
    """Exit status and output of the command, run by the administrator."""
    environment = {**os.environ, "KUBECONFIG": str(tenant.kubectl.kubeconfig)}
    command = [sys.executable, "-m", "cloudsql_iam_operator", "inject", "-f", "-", *flags]
    done = subprocess.run(
        command, input=json.dumps(manifest), capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert done.returncode != 1, done.stderr
    return done.returncode, done.stdout


def json_of(text: str) -> JSON:
    found: JSON = yaml.safe_load(text)
    return found
