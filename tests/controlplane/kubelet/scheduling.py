"""The scheduler of the one node: every pod that may be scheduled is bound to it, one after the other."""

import logging
import threading

import urllib3

from controlplane.kubelet.api import Api, Json, Refused
from controlplane.kubelet.events import Events
from controlplane.kubelet.node import bind
from controlplane.kubelet.podspec import parse

RETRY_SECONDS = 2.0
_log = logging.getLogger("kubelet")


class Scheduler:
    """Binds pods. One whose binding fails gets an Event `FailedScheduling`, is tried again, and holds up no other."""

    def __init__(self, api: Api, events: Events, node: str, stopped: threading.Event) -> None:
        self._api = api
        self._events = events
        self._node = node
        self._stopped = stopped
        self._lock = threading.Lock()
        self._refused: dict[str, Json] = {}

    def start(self) -> None:
        """Try again, in a thread of its own, what was refused."""
        threading.Thread(target=self._try_again, name="scheduler", daemon=True).start()

    def take(self, told: Json, gone: bool) -> None:
        """Bind a pod without a node, unless it is ending or not to be scheduled yet."""
        meta = told["metadata"]
        with self._lock:
            self._refused.pop(meta["uid"], None)
        if not gone and not meta.get("deletionTimestamp") and not told["spec"].get("schedulingGates"):
            self._bind(told)

    def _bind(self, told: Json) -> None:
        try:
            bind(self._api, told, self._node)
        except (Refused, urllib3.exceptions.HTTPError) as error:
            pod = parse(told)
            _log.warning("%s is not bound: %s", pod, error)
            self._events.say(pod, "Warning", "FailedScheduling", str(error))
            with self._lock:
                self._refused[pod.uid] = told

    def _try_again(self) -> None:
        while not self._stopped.wait(RETRY_SECONDS):
            with self._lock:
                waiting = list(self._refused.values())
                self._refused.clear()
            for told in waiting:
                self._bind(told)
