"""The pods of the API server, listed and then watched, again and again. What becomes of them is in `__main__`."""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import urllib3

from controlplane.kubelet.api import Json, Refused

PATH = "/api/v1/pods"
RETRY_SECONDS = 0.5
_log = logging.getLogger("kubelet")

Take = Callable[[Json, bool], None]
"""Takes in a pod as it is now, and whether it is gone."""


class Source(Protocol):
    """What lists and watches; `api.Api` does."""

    def get(self, path: str) -> Json:
        """A list."""

    def watch(self, path: str, version: str) -> Iterator[Json]:
        """Events since the list of this version."""


def follow(source: Source, take: Take, keep: Callable[[frozenset[str]], None], stopped: threading.Event) -> None:
    """Give every change of every pod to `take`, and after a list the uids that there are to `keep`, until `stopped`.

    Nothing ends it: what is expected to go wrong is a warning, everything else is logged with its traceback.
    """
    while not stopped.is_set():
        try:
            _list_and_watch(source, take, keep)
        except (Refused, urllib3.exceptions.HTTPError) as error:
            _log.warning("watch of pods ended: %s", error)
            stopped.wait(RETRY_SECONDS)
        except Exception:  # noqa: BLE001 - the node would go on without hearing of its pods
            _log.exception("watch of pods failed; they are listed again")
            stopped.wait(RETRY_SECONDS)


def _list_and_watch(source: Source, take: Take, keep: Callable[[frozenset[str]], None]) -> None:
    listed = source.get(PATH)
    for pod in listed["items"]:
        _take_one(take, pod, gone=False)
    keep(frozenset(pod["metadata"]["uid"] for pod in listed["items"]))
    for event in source.watch(PATH, listed["metadata"]["resourceVersion"]):
        if event["type"] == "ERROR":
            return
        if event["type"] != "BOOKMARK":
            _take_one(take, event["object"], gone=event["type"] == "DELETED")


def _take_one(take: Take, pod: Json, gone: bool) -> None:
    try:
        take(pod, gone)
    except Exception:  # noqa: BLE001 - the trouble of one pod is not the others'
        meta = pod["metadata"]
        _log.exception("pod %s/%s could not be taken; the others go on", meta["namespace"], meta["name"])
