"""The pod and the review that the admission benchmark sends."""

import json
from typing import Any

from support.podshapes import FACTS, container, pod

CHANGING = "@@@@@"
"""What the load replaces by another number in each review."""


def large_pod(changing: str, token: str = "abcde") -> dict[str, Any]:
    """A pod of 7.5 kB as the API server hands it over; `changing` is in a variable, `token` in a volume's name."""
    mounts = [{"name": f"kube-api-access-{token}", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]
    mounts += [{"name": f"v{n}", "mountPath": f"/etc/app/{n}"} for n in range(4)]
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10, "failureThreshold": 3}
    env = [{"name": f"SETTING_{n}", "value": f"a-value-that-is-not-short-{n}"} for n in range(14)]
    resources = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}}
    containers = [
        container(name, env=env, volumeMounts=mounts, livenessProbe=probe, readinessProbe=probe, resources=resources)
        for name in ("web", "worker", "exporter")
    ]
    containers[0]["env"] = [*env, {"name": "BUILD", "value": changing}]
    volumes: list[dict[str, Any]] = [{"name": f"v{n}", "configMap": {"name": f"settings-{n}"}} for n in range(4)]
    volumes.append({"name": f"kube-api-access-{token}", "projected": {"defaultMode": 420, "sources": []}})
    made = pod(*containers, volumes=volumes, schedulerName="default-scheduler", dnsPolicy="ClusterFirst")
    fields = ("app", "team", "env", "volumeMounts", "ports", "resources", "probes")
    owned: dict[str, Any] = {f"f:{name}": {} for name in fields}
    made["metadata"] |= {
        "name": None,
        "generateName": "web-7f9c5d8b6-",
        "labels": {"app": "web", "pod-template-hash": "7f9c5d8b6", "team": "orders"},
        "managedFields": [{"manager": "kube-controller-manager", "fieldsV1": {f"k:{n}": owned for n in range(12)}}],
    }
    return made


def review(body: dict[str, Any], namespace: str = FACTS.namespace) -> str:
    """The AdmissionReview of a new pod, as JSON."""
    asked = {
        "uid": "0b7c9a3e-5a4e-4f5e-9d2a-3f6f1d2c4b5a",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "namespace": namespace,
        "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
        "object": body,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked})
