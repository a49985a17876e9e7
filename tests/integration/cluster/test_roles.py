"""What the chart's roles give on a real API server to tenants, to the operator and to the webhook, and what not."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from e2e.waiting import eventually
from integration.shared_plane import SharedPlane
from support.webhookparts.site import CHART

OURS, TENANT = "roles-csql", "roles-tenant"
OPERATOR, WEBHOOK = (f"system:serviceaccount:{OURS}:csql{end}" for end in ("", "-webhook"))
GROUP = "iam.cloudsql.dev"
KINDS = ("cloudsqlinstances", "cloudsqliamusers", "databasegrants")
WRITES = ("create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True, slots=True)
class Asked:
    """An API server that is asked as its administrator what others may do."""

    api: client.ApiClient


@pytest.fixture(scope="module")
def cluster(shared: SharedPlane) -> Asked:
    """A cluster with the chart's roles, and a namespace in which one person holds each of the built-in roles."""
    for namespace in (OURS, TENANT):
        shared.kubectl("create", "namespace", namespace)
    values = ["--set", "operator.secretNames={orders-admin}"]
    command = [str(shared.programs.helm), "template", "csql", str(CHART), "--namespace", OURS, *values]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    roles = [one for one in yaml.safe_load_all(rendered) if one and "rbac" in one["apiVersion"]]
    shared.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(roles))
    for role in ("view", "edit", "admin"):
        shared.kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}", "-n", TENANT)
    asked = Asked(config.new_client_from_config(str(shared.plane.admin)))
    eventually(lambda: may(asked, "admin", "create", KINDS[2]), "the built-in roles hold the chart's")
    return asked


def may(cluster: Asked, user: str, verb: str, resource: str, **more: str) -> bool:
    """Whether the API server would let the user; `more` are namespace, name, group, subresource."""
    attributes = {"verb": verb, "resource": resource, "namespace": TENANT, "group": GROUP} | more
    review: dict[str, Any] = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": ["system:authenticated"], "resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    headers = {"Content-Type": "application/json"}
    request = cluster.api.param_serialize(
        "POST", path, body=review, header_params=headers, auth_settings=["BearerToken"]
    )
    answered = json.loads(cluster.api.call_api(*request).read())
    return answered["status"].get("allowed") is True


def given(cluster: Asked, user: str, verbs: tuple[str, ...], resource: str, **more: str) -> set[str]:
    return {verb for verb in verbs if may(cluster, user, verb, resource, **more)}


@pytest.mark.parametrize("person", ["view", "edit", "admin"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_tenant_writes_a_status(cluster: Asked, person: str, kind: str) -> None:
    assert given(cluster, person, WRITES, kind, subresource="status") == set()


@pytest.mark.parametrize("person", ["view", "edit", "admin"])
def test_no_tenant_sees_or_writes_an_instance(cluster: Asked, person: str) -> None:
    assert given(cluster, person, ("get", "list", "watch", *WRITES), KINDS[0], namespace="") == set()


@pytest.mark.parametrize(("person", "writes"), [("view", set()), ("edit", set()), ("admin", set(WRITES))])
@pytest.mark.parametrize("kind", KINDS[1:])
def test_tenants_read_and_their_admins_write_users_and_grants(
    cluster: Asked, person: str, writes: set[str], kind: str
) -> None:
    assert given(cluster, person, ("get", "list", "watch"), kind) == {"get", "list", "watch"}
    assert given(cluster, person, WRITES, kind) == writes


def test_the_operator_reads_the_secrets_that_the_platform_team_lists_and_no_other(cluster: Asked) -> None:
    core = {"group": "", "namespace": OURS}
    reading = ("get", "list", "watch", *WRITES)

    assert given(cluster, OPERATOR, reading, "secrets", name="orders-admin", **core) == {"get"}
    assert given(cluster, OPERATOR, reading, "secrets", name="csql-webhook-tls", **core) == set()
    assert given(cluster, OPERATOR, reading, "secrets", group="", name="orders-admin", namespace=TENANT) == set()


def test_the_webhook_makes_no_secret_and_reads_its_own_alone(cluster: Asked) -> None:
    core = {"group": "", "namespace": OURS}
    reading = ("get", "list", "watch", *WRITES)

    assert given(cluster, WEBHOOK, reading, "secrets", name="csql-webhook-tls", **core) == {"get", "update"}
    assert given(cluster, WEBHOOK, reading, "secrets", **core) == set()
    assert given(cluster, WEBHOOK, reading, "secrets", name="orders-admin", **core) == set()
    for kind in KINDS:
        assert given(cluster, WEBHOOK, WRITES, kind) == set()


@pytest.mark.parametrize("account", [OPERATOR, WEBHOOK])
def test_neither_process_becomes_somebody_else(cluster: Asked, account: str) -> None:
    core = {"group": "", "namespace": OURS}

    assert not may(cluster, account, "create", "serviceaccounts", subresource="token", **core)
    assert not may(cluster, account, "create", "pods", **core)
    assert not may(cluster, account, "impersonate", "serviceaccounts", **core)
    for resource in ("clusterroles", "clusterrolebindings", "roles", "rolebindings"):
        assert (
            given(cluster, account, (*WRITES, "bind", "escalate"), resource, group="rbac.authorization.k8s.io") == set()
        )
