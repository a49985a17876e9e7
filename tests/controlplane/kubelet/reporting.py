"""Sends a pod's status when it has changed: changes that come together are sent once, what failed is sent again."""

import threading
from collections.abc import Callable

import urllib3

from controlplane.kubelet.api import Api, Json, Refused
from controlplane.kubelet.podspec import Pod
from controlplane.kubelet.status import Moment, pod_status

RETRY_SECONDS = 1.0
FLUSH_TRIES = 10


class Reporter:
    """Reports one pod; `moment` says where it is at."""

    def __init__(self, api: Api, pod: Pod, moment: Callable[[], Moment]) -> None:
        self._api = api
        self._pod = pod
        self._moment = moment
        self._sent: Json = pod.told.get("status", {})
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._report, name=f"status-{pod.name}", daemon=True)

    def start(self) -> None:
        """Report from now on."""
        self._thread.start()

    def changed(self) -> None:
        """Report soon."""
        self._wake.set()

    def stop(self) -> None:
        """Report no more."""
        self._stopped.set()
        self._wake.set()
        self._thread.join()

    def flush(self) -> None:
        """Have the status as it is now sent before this returns.

        Raises:
            Refused, HTTPError: the API server did not take it, several times.
        """
        for _ in range(FLUSH_TRIES - 1):
            try:
                self._send()
            except (Refused, urllib3.exceptions.HTTPError):
                self._stopped.wait(RETRY_SECONDS)
            else:
                return
        self._send()

    def _send(self) -> None:
        with self._lock:
            status = pod_status(self._pod, self._moment(), self._sent)
            if status == self._sent:
                return
            try:
                self._api.patch(f"{self._pod.path}/status", {"metadata": {"uid": self._pod.uid}, "status": status})
            except Refused as refusal:
                # deleted by force, or replaced by another pod of this name
                if refusal.status not in {404, 409}:
                    raise
            self._sent = status

    def _report(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait()
            self._wake.clear()
            try:
                self._send()
            except (Refused, urllib3.exceptions.HTTPError):
                self._stopped.wait(RETRY_SECONDS)
                self._wake.set()
