"""Runs the kubelet until SIGTERM: `python -m controlplane.kubelet --config FILE.json`. See `settings` for the file."""

import argparse
import logging
import shutil
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import urllib3

from controlplane.kubelet.api import Api, Json, Refused
from controlplane.kubelet.events import Events
from controlplane.kubelet.logs import PORT, serve
from controlplane.kubelet.node import HEARTBEAT_SECONDS, beat, register
from controlplane.kubelet.podlife import Node, PodLife
from controlplane.kubelet.podspec import parse
from controlplane.kubelet.sandboxes import Addresses
from controlplane.kubelet.scheduling import Scheduler
from controlplane.kubelet.settings import Settings, load
from controlplane.kubelet.streams import streaming
from controlplane.kubelet.watching import follow

STOP_GRACE_SECONDS = 2.0
STOP_LIMIT_SECONDS = 10.0
_log = logging.getLogger("kubelet")


class Kubelet:
    """The pods of one node."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._api = Api(settings.kubeconfig, settings.directory)
        self._node = Node(self._api, settings, Events(self._api, settings.node), Addresses())
        self._pods: dict[str, PodLife] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._scheduler = Scheduler(self._api, self._node.events, settings.node, self._stopped)

    def pods(self) -> Mapping[str, PodLife]:
        """All pods here, by uid."""
        with self._lock:
            return dict(self._pods)

    def run(self) -> None:
        """Register the node and keep its pods until `stop`."""
        with self._streams() as place:
            self._serve(place)

    def _streams(self) -> AbstractContextManager[Path | None]:
        program = self._settings.streams
        return nullcontext() if program is None else streaming(program, self._settings.directory)

    def _serve(self, streams: Path | None) -> None:
        server = serve(self.pods, self._settings, streams)
        register(self._api, self._settings.node, PORT)
        self._scheduler.start()
        following = (self._api, self._take, self._keep, self._stopped)
        threading.Thread(target=follow, args=following, name="watch", daemon=True).start()
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            try:
                beat(self._api, self._settings.node)
            except (Refused, urllib3.exceptions.HTTPError) as error:
                _log.warning("heartbeat failed: %s", error)
        self._end_all()
        server.shutdown()

    def stop(self) -> None:
        """Make `run` end all pods and return."""
        self._stopped.set()

    def _end_all(self) -> None:
        pods = self.pods().values()
        for pod in pods:
            pod.end(STOP_GRACE_SECONDS)
        until = time.monotonic() + STOP_LIMIT_SECONDS
        for pod in pods:
            pod.over.wait(max(until - time.monotonic(), 0))
        shutil.rmtree(self._settings.directory / "pods", ignore_errors=True)

    def _keep(self, present: frozenset[str]) -> None:
        for uid, pod in self.pods().items():
            if uid not in present:
                pod.end(0)

    def _take(self, told: Json, gone: bool) -> None:
        uid, spec = told["metadata"]["uid"], told["spec"]
        if not spec.get("nodeName"):
            self._scheduler.take(told, gone)
            return
        if spec["nodeName"] != self._settings.node or self._stopped.is_set():
            return
        with self._lock:
            self._pods = {key: pod for key, pod in self._pods.items() if not pod.over.is_set() or key == uid}
            life = self._pods.get(uid)
            if life is None and not gone:
                life = self._pods[uid] = PodLife(self._node, parse(told))
                life.start()
        if life is not None:
            life.update(parse(told))
            if gone:
                life.end(0)


def main() -> int:
    """Always 0: everything that goes wrong with a pod is said in its status and Events."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    settings = load(parser.parse_args().config)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(threadName)s %(message)s")
    settings.directory.mkdir(parents=True, exist_ok=True)
    kubelet = Kubelet(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: kubelet.stop())
    kubelet.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
