"""The Node object, its heartbeat, and the binding of pods to it: this kubelet is the scheduler too."""

from datetime import UTC, datetime

from controlplane.addresses import GATEWAY
from controlplane.kubelet.api import Api, Json, Refused

HEARTBEAT_SECONDS = 10.0
LEASE_SECONDS = 40
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_VERSION = "v1.36.4"


def now() -> str:
    """This moment as the API writes it, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def register(api: Api, name: str, port: int) -> None:
    """Make the Node, Ready, with its kubelet at this port."""
    _created(api, "/api/v1/nodes", {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
    api.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None, "unschedulable": None}})
    api.patch(f"/api/v1/nodes/{name}/status", {"status": _status(name, port)})
    beat(api, name)


def beat(api: Api, name: str) -> None:
    """Say that the node lives, in its Lease."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": moment}
    try:
        api.patch(f"{_LEASES}/{name}", {"spec": spec})
    except Refused as refusal:
        if refusal.status != 404:
            raise
        # the namespace is made by the API server itself, some seconds after its start
        _created(api, "/api/v1/namespaces", {"metadata": {"name": "kube-node-lease"}})
        _created(api, _LEASES, {"metadata": {"name": name}, "spec": spec})


def bind(api: Api, pod: Json, node: str) -> None:
    """Put a pod on the node; one that is gone or already bound is left alone."""
    meta = pod["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/binding"
    try:
        # with the uid, another pod of this name is a conflict
        api.post(
            path, {"metadata": {"name": meta["name"], "uid": meta["uid"]}, "target": {"kind": "Node", "name": node}}
        )
    except Refused as refusal:
        if refusal.status not in {404, 409}:
            raise


def _created(api: Api, path: str, body: Json) -> None:
    try:
        api.post(path, body)
    except Refused as refusal:
        if refusal.status != 409:
            raise


def _status(name: str, port: int) -> Json:
    room = {"cpu": "64", "memory": "256Gi", "pods": "500", "ephemeral-storage": "1Ti"}
    condition = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "process kubelet"}
    return {
        "addresses": [{"type": "InternalIP", "address": GATEWAY}, {"type": "Hostname", "address": name}],
        "capacity": room,
        "allocatable": room,
        "conditions": [{**condition, "lastHeartbeatTime": now(), "lastTransitionTime": now()}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "nodeInfo": {
            "machineID": name,
            "systemUUID": name,
            "bootID": name,
            "kernelVersion": "",
            "osImage": "processes",
            "containerRuntimeVersion": "process://1",
            "kubeletVersion": _VERSION,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": "amd64",
        },
    }
