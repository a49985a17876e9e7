"""The process kubelet's watch of pods: nothing that goes wrong ends it, and nothing goes wrong unseen."""

import threading
from collections.abc import Iterator

import pytest

from controlplane.kubelet.api import Json
from controlplane.kubelet.watching import follow


def pod(name: str) -> Json:
    return {"metadata": {"namespace": "orders", "name": name, "uid": f"uid-{name}"}}


class Server:
    """Lists two pods, and then tells of the events given; a list or an event may be an error to raise instead."""

    def __init__(self, *events: Json | Exception, first: Exception | None = None) -> None:
        self._events = list(events)
        self._first = first

    def get(self, path: str) -> Json:
        assert path == "/api/v1/pods"
        error, self._first = self._first, None
        if error is not None:
            raise error
        return {"metadata": {"resourceVersion": "7"}, "items": [pod("api"), pod("web")]}

    def watch(self, path: str, version: str) -> Iterator[Json]:
        assert (path, version) == ("/api/v1/pods", "7")
        while self._events:
            event = self._events.pop(0)
            if isinstance(event, Exception):
                raise event
            yield event


def followed(server: Server, last: str, unloved: str = "") -> list[tuple[str, bool]]:
    """What was taken until the pod `last` was, as name and whether it was gone; `unloved` cannot be taken."""
    taken: list[tuple[str, bool]] = []
    stopped = threading.Event()

    def take(told: Json, gone: bool) -> None:
        name = told["metadata"]["name"]
        if name == unloved:
            raise KeyError("image")
        taken.append((name, gone))
        if name == last:
            stopped.set()

    follow(server, take, lambda _: None, stopped)
    return taken


def test_an_unexpected_error_of_a_list_is_logged_and_the_list_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    taken = followed(Server(first=ValueError("not JSON")), last="web")

    assert taken == [("api", False), ("web", False)]
    assert "ValueError: not JSON" in caplog.text


def test_an_unexpected_error_of_a_watch_is_logged_and_the_pods_are_listed_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server(ValueError("half a line"), {"type": "ADDED", "object": pod("late")})

    taken = followed(server, last="late")

    assert taken == [("api", False), ("web", False), ("api", False), ("web", False), ("late", False)]
    assert "ValueError: half a line" in caplog.text


def test_a_pod_that_cannot_be_taken_is_logged_and_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    server = Server({"type": "DELETED", "object": pod("api")}, {"type": "ADDED", "object": pod("late")})

    taken = followed(server, last="late", unloved="api")

    assert taken == [("web", False), ("late", False)]
    assert "pod orders/api could not be taken" in caplog.text
    assert "KeyError: 'image'" in caplog.text


def test_the_pods_of_a_list_are_the_ones_that_are_kept() -> None:
    kept: list[frozenset[str]] = []
    stopped = threading.Event()

    def keep(uids: frozenset[str]) -> None:
        kept.append(uids)
        stopped.set()

    follow(Server(), lambda *_: None, keep, stopped)

    assert kept == [frozenset({"uid-api", "uid-web"})]
