"""Events about pods: written best-effort, repeated ones counted instead of written again."""

import threading
from typing import Literal

import urllib3

from controlplane.kubelet.api import Api, Refused
from controlplane.kubelet.node import now
from controlplane.kubelet.podspec import Pod

Kind = Literal["Normal", "Warning"]


class Events:
    """Writes Events in the name of one node."""

    def __init__(self, api: Api, node: str) -> None:
        self._api = api
        self._node = node
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str, str], tuple[str, int]] = {}

    def say(self, pod: Pod, kind: Kind, reason: str, message: str) -> None:
        """One Event, or one more of it. What cannot be written is lost: the pod matters more."""
        key = (pod.uid, reason, message)
        try:
            with self._lock:
                self._seen[key] = self._write(pod, kind, reason, message)
        except (Refused, urllib3.exceptions.HTTPError):
            return

    def _write(self, pod: Pod, kind: Kind, reason: str, message: str) -> tuple[str, int]:
        path = f"/api/v1/namespaces/{pod.namespace}/events"
        name, count = self._seen.get((pod.uid, reason, message), ("", 0))
        if name:
            self._api.patch(f"{path}/{name}", {"count": count + 1, "lastTimestamp": now()})
            return name, count + 1
        about = {"apiVersion": "v1", "kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid}
        event = {
            "metadata": {"generateName": f"{pod.name}."},
            "involvedObject": about,
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "count": 1,
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "source": {"component": "kubelet", "host": self._node},
            "reportingComponent": "kubelet",
            "reportingInstance": self._node,
        }
        return str(self._api.post(path, event)["metadata"]["name"]), 1
