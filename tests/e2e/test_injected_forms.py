"""Pods in every form that annotations give the proxy, each with the real proxy and a login by psql."""

from typing import Any

import pytest

from e2e.tenant import Tenant
from e2e.waiting import eventually

D = "iam.cloudsql.dev/"
ASK = "-XAt -c 'select current_user'"
SOCKET = "/run/sql/acme-prod:europe-west1:orders/.s.PGSQL.5432"

FORMS: dict[str, tuple[dict[str, str], str]] = {
    "tcp": ({}, f"psql {ASK}"),
    "socket": ({"unix-socket": "/run/sql", "containers": "app"}, f"test -S {SOCKET} && psql {ASK}"),
    "url": ({"env": "url"}, f'psql "$DATABASE_URL" {ASK}'),
    "prefix": ({"env": "prefix"}, f'psql "host=$DB_HOST port=$DB_PORT user=$DB_USER dbname=$DB_NAME" {ASK}'),
    "ordinary": ({"native-sidecar": "false"}, f"psql {ASK}"),
    "metrics": ({"prometheus": "true", "lazy-refresh": "true", "port": "6000"}, f"psql {ASK}"),
    "several": (
        {"instances": "acme-prod:europe-west1:other", "env": "pg"},
        f"psql {ASK}",
    ),
}


@pytest.fixture
def till(tenant: Tenant) -> Tenant:
    """A tenant whose user `till` may connect."""
    tenant.account("till")
    tenant.instance()
    tenant.user("till")
    tenant.grant("reads", "till")
    tenant.ready("csqlu", "till")
    tenant.ready("dbg", "reads")
    return tenant


def test_psql_logs_in_whatever_the_form(till: Tenant) -> None:
    for name, (annotations, command) in FORMS.items():
        till.kubectl.apply(_pod(till, name, annotations, command))

    name = till.kubectl.get("csqlu", "till", till.name)["status"]["username"]
    for form in FORMS:
        eventually(lambda form=form: name in _log(till, form, "app").splitlines(), f"{form} logs in as {name}")  # type: ignore[misc]

    assert "no socket" in _log(till, "socket", "other")


def _pod(tenant: Tenant, name: str, annotations: dict[str, str], command: str) -> dict[str, Any]:
    repeated = f"while true; do {command}; sleep 1; done"
    apart = f"while true; do test -S {SOCKET} || echo no socket; sleep 1; done"
    ours = {f"{D}inject": "till", f"{D}database": "orders"} | {f"{D}{key}": value for key, value in annotations.items()}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": tenant.name, "annotations": ours},
        "spec": {
            "serviceAccountName": "till",
            "containers": [
                {"name": "app", "image": "postgres:17", "args": [repeated]},
                {"name": "other", "image": "postgres:17", "args": [apart]},
            ],
        },
    }


def _log(tenant: Tenant, pod: str, container: str) -> str:
    return tenant.kubectl("logs", "-n", tenant.name, pod, "-c", container)


TAKES_IT = "import socket; socket.create_server(('127.0.0.1', 5432)); print('mine', flush=True)"
LISTENS = f'until python3 -c "{TAKES_IT}"; do sleep 1; done'


def test_a_port_that_the_application_takes_undeclared_is_the_proxys_until_it_is_declared(till: Tenant) -> None:
    silent = _pod(till, "silent", {}, f"psql {ASK}; {LISTENS}")
    till.kubectl.apply(silent)
    declared = _pod(till, "declared", {}, f"psql {ASK}; {LISTENS}; echo $PGPORT")
    declared["spec"]["containers"][0]["ports"] = [{"containerPort": 5432}]
    till.kubectl.apply(declared)

    name = till.kubectl.get("csqlu", "till", till.name)["status"]["username"]
    taken = "Address already in use"
    eventually(lambda: {name} <= {*_log(till, "silent", "app").splitlines()}, "it logs in")
    eventually(lambda: taken in _log(till, "silent", "app"), "its own listener is told that the port is taken")
    eventually(lambda: {name, "mine", "5433"} <= {*_log(till, "declared", "app").splitlines()}, "both have a port")
    assert "mine" not in _log(till, "silent", "app")
