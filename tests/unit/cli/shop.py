"""The manifests of a shop, and runs of the verb `inject` on them."""

from typing import Any

import pytest
import yaml

from cloudsql_iam_operator.__main__ import main

ACCESS = """\
# Who the shop is.
apiVersion: v1
kind: ServiceAccount
metadata:
  name: checkout
  namespace: orders
  annotations: {iam.gke.io/gcp-service-account: checkout@acme-prod.iam.gserviceaccount.com}  # the shop
---
apiVersion: iam.cloudsql.dev/v1alpha1
kind: CloudSQLInstance
metadata: {name: orders-prod}
spec: {connectionName: "acme-prod:europe-west1:orders"}
---
apiVersion: iam.cloudsql.dev/v1alpha1
kind: CloudSQLIAMUser
metadata: {name: checkout, namespace: orders}
spec: {instanceRef: {name: orders-prod}, principal: {kubernetesServiceAccount: {name: checkout}}}
---
apiVersion: iam.cloudsql.dev/v1alpha1
kind: DatabaseGrant
metadata: {name: reads, namespace: orders}
spec:
  instanceRef: {name: orders-prod}
  database: orders
  grantees: [{userRef: {name: checkout}}]
  preset: read
  schemas: [app]
"""
POD = """\
metadata: {labels: {app: web}, annotations: {iam.cloudsql.dev/inject: checkout}}
spec: {serviceAccountName: checkout, containers: [{name: web, image: "acme/web:1"}]}
"""
TEMPLATES = {
    "v1 PodTemplate": ("template",),
    "v1 ReplicationController": ("spec", "template"),
    "apps/v1 Deployment": ("spec", "template"),
    "apps/v1 StatefulSet": ("spec", "template"),
    "apps/v1 DaemonSet": ("spec", "template"),
    "apps/v1 ReplicaSet": ("spec", "template"),
    "batch/v1 Job": ("spec", "template"),
    "batch/v1 CronJob": ("spec", "jobTemplate", "spec", "template"),
    "argoproj.io/v1alpha1 Rollout": ("spec", "template"),
}


def workload(kind: str, pod: str = POD) -> dict[str, Any]:
    version, name = kind.split()
    body: Any = yaml.safe_load(pod)
    for step in reversed(TEMPLATES[kind]):
        body = {step: body}
    return {"apiVersion": version, "kind": name, "metadata": {"name": "web", "namespace": "orders"}, **body}


def within(body: Any, kind: str) -> Any:
    for step in TEMPLATES[kind]:
        body = body[step]
    return body


def written(*documents: Any) -> str:
    return "---\n".join((ACCESS, *(each if isinstance(each, str) else yaml.safe_dump(each) for each in documents)))


class Ran:
    """One run of the verb: exit status, standard output and error."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        self.status = main(["inject", "--offline", *arguments])
        self.output, self.error = capsys.readouterr()
