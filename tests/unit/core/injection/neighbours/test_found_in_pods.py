"""Pods with proxies of their own as people write them, each of which once got an answer that broke it."""

from typing import Any

import pytest
import yaml

from cloudsql_iam_operator.core.injection.outcome import Code, Unchanged
from support.podshapes import environment, injected, planned, pod, proxy

SAME_INSTANCE = {
    "instance and port in the environment, as Google's example of health checks has it": """
        name: cloud-sql-proxy
        image: gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.8.0
        args: ["--structured-logs"]
        env:
        - {name: CSQL_PROXY_INSTANCE_CONNECTION_NAME, value: "acme-prod:europe-west1:orders"}
        - {name: CSQL_PROXY_PORT, value: "5432"}
        - {name: CSQL_PROXY_HEALTH_CHECK, value: "true"}
        - {name: CSQL_PROXY_HTTP_PORT, value: "9801"}
        - {name: CSQL_PROXY_QUITQUITQUIT, value: "true"}
        """,
    "an image from a company's mirror": """
        name: sql-proxy
        image: registry.acme.example/mirror/cloud-sql-proxy:2.15.1
        args: ["--port=5432", "--auto-iam-authn", "acme-prod:europe-west1:orders"]
        """,
    "a shell line that waits for a file": """
        name: cloud-sql-proxy
        image: gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.8.0-alpine
        command: ["/bin/sh", "-c"]
        args:
        - >-
          /cloud-sql-proxy --port 5432 acme-prod:europe-west1:orders & PID=$!;
          while [ ! -f /run/pod/done ]; do sleep 1; done; kill $PID
        """,
    "references in the arguments": """
        name: cloud-sql-proxy
        image: gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.11.0
        env: [{name: INSTANCE, value: "acme-prod:europe-west1:orders"}, {name: DB_PORT, value: "5432"}]
        args: ["--port=$(DB_PORT)", "$(INSTANCE)"]
        """,
    "the proxy v1 with IAM login": """
        name: cloudsql-proxy
        image: gcr.io/cloudsql-docker/gce-proxy:1.33.1
        command: ["/cloud_sql_proxy", "-enable_iam_login", "-instances=acme-prod:europe-west1:orders=tcp:5432"]
        """,
    "the proxy v1 in a shell line": """
        name: sql
        image: gcr.io/cloudsql-docker/gce-proxy:1.33.1-alpine
        command: [sh, -c]
        args: ["exec /cloud_sql_proxy -enable_iam_login -instances=$INSTANCE_CONNECTION_NAME=tcp:0.0.0.0:5432"]
        env: [{name: INSTANCE_CONNECTION_NAME, value: "acme-prod:europe-west1:orders"}]
        """,
    "a sidecar of Google's operator": """
        name: csql-orders-checkout
        image: gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.14.1
        args: ["acme-prod:europe-west1:orders?port=5432&auto-iam-authn=true"]
        env:
        - {name: CSQL_PROXY_USER_AGENT, value: cloud-sql-proxy-operator/1.8.1}
        - {name: CSQL_PROXY_HTTP_PORT, value: "9801"}
        """,
    "a script of an image of its own that takes the instance from a usual variable": """
        name: db
        image: registry.acme.example/tools/cloudsql-proxy:3
        command: [/start.sh]
        env: [{name: INSTANCE_CONNECTION_NAME, value: "acme-prod:europe-west1:orders"}]
        """,
}

OTHERS = {
    "default ports": (
        """
        name: legacy-db
        image: gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.11.0
        args: ["--private-ip", "--quitquitquit", "acme-prod:europe-west1:legacy"]
        """,
        ("5433", "9801", "9092"),
    ),
    "several instances from one port": (
        """
        name: legacy-db
        image: gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.11.0
        args: ["--port=5432", "acme-prod:europe-west1:legacy", "acme-prod:europe-west1:audit"]
        """,
        ("5434", "9801", "9091"),
    ),
    "two proxies in one shell line": (
        """
        name: legacy-db
        image: acme/tools:1
        command: [sh, -c]
        args:
        - |
          cloud-sql-proxy wait --max 1s || true
          cloud-sql-proxy --port 5432 acme-prod:europe-west1:legacy &
          cloud-sql-proxy -p 5433 acme-prod:europe-west1:audit --quitquitquit &
          wait
        """,
        ("5434", "9801", "9092"),
    ),
    "one instance with its own port does not count": (
        """
        name: legacy-db
        image: gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.11.0
        args: ["-p5432", "acme-prod:europe-west1:legacy?port=7000", "acme-prod:europe-west1:audit"]
        """,
        ("5433", "9801", "9091"),
    ),
    "Unix sockets": (
        """
        name: legacy-db
        image: gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.11.0
        args: ["-u", "/cloudsql", "acme-prod:europe-west1:legacy"]
        """,
        ("5432", "9801", "9091"),
    ),
    "a sidecar of Google's operator": (
        """
        name: csql-orders-legacy
        image: gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.14.1
        args: ["acme-prod:europe-west1:legacy?port=5432"]
        env:
        - {name: CSQL_PROXY_HEALTH_CHECK, value: "true"}
        - {name: CSQL_PROXY_HTTP_PORT, value: "9801"}
        - {name: CSQL_PROXY_QUITQUITQUIT, value: "true"}
        - {name: CSQL_PROXY_ADMIN_PORT, value: "9091"}
        """,
        ("5433", "9802", "9092"),
    ),
    "the proxy of AlloyDB, whose ports count from 5432": (
        """
        name: alloydb-proxy
        image: gcr.io/alloydb-connectors/alloydb-auth-proxy:1.10.1
        command: ["/alloydb-auth-proxy", "projects/p/locations/r/clusters/c/instances/i", "--psc", "--structured-logs"]
        """,
        ("5433", "9801", "9091"),
    ),
    "the proxy v1 and its health checks": (
        """
        name: sql
        image: gcr.io/cloudsql-docker/gce-proxy:1.33.1
        command: [/cloud_sql_proxy, "-instances=acme-prod:europe-west1:legacy=tcp:5432", -use_http_health_check]
        args: ["-health_check_port", "9801"]
        """,
        ("5433", "9802", "9091"),
    ),
    "a name that only begins like those of Google's operator": (
        "{name: csql-loader, image: 'acme/loader:1'}",
        ("5432", "9801", "9091"),
    ),
    "a PostgreSQL server that declares its port": (
        "{name: postgres, image: 'postgres:17', ports: [{containerPort: 5432}]}",
        ("5433", "9801", "9091"),
    ),
}


def beside(manifest: str, **spec: Any) -> dict[str, Any]:
    return pod({"name": "web", "image": "acme/web:1"}, yaml.safe_load(manifest), **spec)


@pytest.mark.parametrize("case", SAME_INSTANCE)
def test_a_pod_that_reaches_the_instance_already_is_left_as_it_is(case: str) -> None:
    outcome = planned(beside(SAME_INSTANCE[case]))

    assert isinstance(outcome, Unchanged)
    assert outcome.code is Code.OTHER_PROXY
    (warning,) = outcome.warnings
    assert "is a proxy for acme-prod:europe-west1:orders already" in warning


@pytest.mark.parametrize("case", OTHERS)
def test_a_pod_that_worked_keeps_its_ports(case: str) -> None:
    manifest, ports = OTHERS[case]

    body = injected(beside(manifest, annotations={"native-sidecar": "false"}, restartPolicy="Never"))

    said = dict(word.split("=", 1) for word in proxy(body)["args"] if word.startswith(("--http-port", "--admin-port")))
    assert (environment(body)["PGPORT"], said["--http-port"], said["--admin-port"]) == ports
