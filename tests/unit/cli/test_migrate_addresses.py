"""`inject --migrate` of proxies that listen on all addresses of the pod: they move where only its containers call."""

from typing import Any

import pytest
import yaml

from support.migrating import ACCESS, CONNECTION, deployment, v1, v2

IAM = "--auto-iam-authn"
OPEN = v2(IAM, "--address=0.0.0.0", CONNECTION)
POD_IP = {"valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def labelled(container: dict[str, Any], **web: Any) -> dict[str, Any]:
    """A Deployment whose pods have a label, and whose container `web` has these fields."""
    body = deployment(container)
    body["spec"]["template"]["metadata"] = {"labels": {"app": "web", "tier": "front"}}
    body["spec"]["template"]["spec"]["containers"][0] |= web
    return body


def service(target: Any, namespace: str = "orders", **selector: str) -> str:
    """The manifest of a Service on port 80 whose pods are called on `target`, on the same port without one."""
    port = {"port": 80, "targetPort": target} if target else {"port": 5432}
    made = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "db", "namespace": namespace},
        "spec": {"selector": selector or {"app": "web"}, "ports": [port]},
    }
    return f"{ACCESS}{yaml.safe_dump(made)}---\n"


@pytest.mark.parametrize(
    "container",
    [
        OPEN,
        v2("-i", "-a", "0.0.0.0", CONNECTION),
        v2(IAM, "--address=::", CONNECTION),
        v2(IAM, f"{CONNECTION}?address=0.0.0.0"),
        v2(IAM, CONNECTION, env=[{"name": "CSQL_PROXY_ADDRESS", "value": "0.0.0.0"}]),
        v1("-enable_iam_login", f"-instances={CONNECTION}=tcp:0.0.0.0:5432"),
        v1("-enable_iam_login", f"-instances={CONNECTION}=tcp:[::]:5432"),
        v2(IAM, "--address=0.0.0.0", CONNECTION, ports=[{"containerPort": 9090}]),
    ],
)
def test_a_proxy_that_only_its_pod_uses_moves_to_the_loopback_address_and_that_is_told(
    container: dict[str, Any], migrated: Any
) -> None:
    done = migrated(labelled(container))

    assert done.annotations == {"inject": "checkout"}
    assert "it listened on all addresses of the pod, and now does on 127.0.0.1" in done.said


@pytest.mark.parametrize(
    "access",
    [
        service(8080),
        service("http"),
        service(5432, app="other"),
        service(5432, app="web", tier="back"),
        service(5432, namespace="elsewhere"),
        ACCESS + "{apiVersion: v1, kind: Service, metadata: {name: db, namespace: orders}, spec: {ports: [1]}}\n---\n",
    ],
)
def test_a_service_that_leads_elsewhere_holds_nothing_back(access: str, migrated: Any) -> None:
    assert migrated(labelled(OPEN), access).annotations == {"inject": "checkout"}


REACHED = {
    "a declared port": (
        labelled({**OPEN, "ports": [{"containerPort": 5432, "name": "sql"}]}),
        ACCESS,
        "its ports declare 5432: take that out where nobody calls it from elsewhere",
    ),
    "a Service by number": (labelled(OPEN), service(5432), "Service db leads to it"),
    "a Service whose port is the same": (labelled(OPEN), service(None), "Service db leads to it"),
    "a Service by two labels": (labelled(OPEN), service(5432, app="web", tier="front"), "Service db leads to it"),
    "a Service by name": (
        labelled({**OPEN, "ports": [{"containerPort": 5432, "name": "sql"}]}),
        service("sql"),
        "Service db leads to it",
    ),
    "a Service, of v1": (
        labelled(v1("-enable_iam_login", f"-instances={CONNECTION}=tcp:0.0.0.0:6000")),
        service(6000),
        "Service db leads to it",
    ),
    "a probe of the application": (
        labelled(OPEN, readinessProbe={"tcpSocket": {"port": 5432}}),
        ACCESS,
        "a port, probe or hook of container web is on the same",
    ),
    "the pod's address": (
        labelled(OPEN, env=[{"name": "DB_HOST", **POD_IP}]),
        ACCESS,
        "container web knows the pod's address: let the proxy listen on 127.0.0.1 first",
    ),
}
"""Workloads, what stands beside them, and why their proxy stays."""


@pytest.mark.parametrize("case", REACHED)
def test_a_proxy_that_others_may_reach_stays(case: str, migrated: Any) -> None:
    body, access, said = REACHED[case]

    done = migrated(body, access)

    assert (done.status, done.output) == (1, "")
    assert (
        "container sql stays: it listens on all addresses of the pod, the injected proxy on 127.0.0.1, and" in done.said
    )
    assert said in done.said
