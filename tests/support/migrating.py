"""Workloads with proxies of the authors' own, and one run of `inject --migrate` over them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudsql_iam_operator.__main__ import main

CONNECTION = "acme-prod:europe-west1:orders"
GOOGLE = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.11.0"
V1 = "gcr.io/cloudsql-docker/gce-proxy:1.33.1"
DOMAIN = "iam.cloudsql.dev/"
ACCESS = f"""\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: checkout
  namespace: orders
  annotations: {{iam.gke.io/gcp-service-account: checkout@acme-prod.iam.gserviceaccount.com}}
---
apiVersion: iam.cloudsql.dev/v1alpha1
kind: CloudSQLInstance
metadata: {{name: orders-prod}}
spec: {{connectionName: "{CONNECTION}", admin: {{database: {{ipType: PUBLIC}}}}}}
---
apiVersion: iam.cloudsql.dev/v1alpha1
kind: CloudSQLIAMUser
metadata: {{name: checkout, namespace: orders}}
spec: {{instanceRef: {{name: orders-prod}}, principal: {{kubernetesServiceAccount: {{name: checkout}}}}}}
---
"""


def deployment(*containers: dict[str, Any], annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    template: dict[str, Any] = {
        "spec": {"serviceAccountName": "checkout", "containers": [{"name": "web", "image": "acme/web:1"}, *containers]}
    }
    template["spec"] |= spec
    if annotations:
        template["metadata"] = {"annotations": annotations}
    metadata = {"name": "web", "namespace": "orders"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}}


def v2(*args: str, **fields: Any) -> dict[str, Any]:
    return {"name": "sql", "image": GOOGLE, "args": list(args), **fields}


def v1(*args: str, **fields: Any) -> dict[str, Any]:
    return {"name": "sql", "image": V1, "command": ["/cloud_sql_proxy", *args], **fields}


class Migrated:
    """One run: exit status, the template after it (None when nothing was printed), and what was said."""

    def __init__(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], body: dict[str, Any], access: str) -> None:
        file = tmp_path / "web.yaml"
        file.write_text(access + yaml.safe_dump(json.loads(json.dumps(body))))
        self.status = main(["inject", "--offline", "--migrate", "-f", str(file)])
        self.output, self.said = capsys.readouterr()
        documents = list(yaml.safe_load_all(self.output))
        self.template = documents[-1]["spec"]["template"] if documents else None

    @property
    def annotations(self) -> dict[str, str]:
        assert self.template is not None, self.said
        found = self.template["metadata"]["annotations"]
        return {name.removeprefix(DOMAIN): value for name, value in found.items()}
