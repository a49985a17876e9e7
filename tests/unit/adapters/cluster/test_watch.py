"""A local copy kept by list and watch, against an API server of ten lines that says what a test scripts."""

import json
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import pytest
import urllib3

from cloudsql_iam_operator.adapters.cluster.rest import Answered, Limits, Unreachable
from cloudsql_iam_operator.adapters.cluster.watch import Resource, Watched

PATIENCE = 60.0


def thing(name: str, value: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "a", "resourceVersion": str(version)}, "value": value}


def event(kind: str, body: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": body}).encode() + b"\n"


class Page(urllib3.HTTPResponse):
    """A response to a list, or a watch that brings its chunks and then stays silent until the test ends."""

    def __init__(self, body: bytes, chunks: list[bytes], end: threading.Event | None) -> None:
        super().__init__(body)
        self._chunks, self._end = chunks, end

    def stream(self, amt: int | None = None, decode_content: bool | None = None) -> Generator[bytes, None, None]:
        yield from self._chunks
        if self._end is not None:
            self._end.wait(PATIENCE)


class Server:
    """Answers each list and each watch with the next of its script; the last watch stays open."""

    def __init__(self, lists: list[list[dict[str, Any]]], watches: list[list[bytes] | Exception]) -> None:
        self.end = threading.Event()
        self.asked: list[str] = []
        self._lists, self._watches = iter(lists), iter(watches)

    def stream(self, path: str, limits: Limits, query: Mapping[str, str]) -> Page:
        if "watch" not in query:
            self.asked.append("list")
            items = next(self._lists)
            return Page(json.dumps({"items": items, "metadata": {"resourceVersion": "10"}}).encode(), [], None)
        self.asked.append(f"watch from {query['resourceVersion']}")
        chunks = next(self._watches, None)
        if isinstance(chunks, Exception):
            raise chunks
        return Page(b"", chunks or [], self.end if chunks is None else None)


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def copy_of(server: Server, stop: threading.Event) -> Watched[str]:
    watched = Watched("things", Resource(server, "/things"), lambda body: body["value"] or None)
    watched.start(stop)
    assert watched.synced.wait(PATIENCE)
    return watched


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_copy_follows_what_the_watch_brings(stop: threading.Event) -> None:
    changes = [
        event("ADDED", thing("new", "n", 11)) + event("MODIFIED", thing("old", "changed", 12)),
        event("DELETED", thing("gone", "g", 13)),
        event("BOOKMARK", {"metadata": {"resourceVersion": "20"}}),
    ]
    server = Server([[thing("old", "o", 1), thing("gone", "g", 2)]], [changes])

    watched = copy_of(server, stop)

    until(lambda: "watch from 20" in server.asked)
    assert dict(watched.within("a")) == {"old": "changed", "new": "n"}
    assert (watched.get("a", "gone"), watched.get("b", "old")) == (None, None)
    server.end.set()


def test_events_that_arrive_in_pieces_are_put_together(stop: threading.Event) -> None:
    line = event("ADDED", thing("new", "n", 11))
    server = Server([[]], [[line[:7], line[7:30], line[30:]]])

    watched = copy_of(server, stop)

    until(lambda: watched.get("a", "new") is not None)
    assert dict(watched.within("a")) == {"new": "n"}
    assert server.asked[:2] == ["list", "watch from 10"]
    server.end.set()


def test_an_expired_watch_leads_to_a_full_list_that_forgets_what_is_gone(stop: threading.Event) -> None:
    expired = event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
    server = Server([[thing("gone", "g", 1)], [thing("new", "n", 2)]], [[expired]])

    watched = copy_of(server, stop)

    until(lambda: watched.get("a", "new") is not None)
    assert dict(watched.within("a")) == {"new": "n"}
    assert server.asked[:3] == ["list", "watch from 10", "list"]
    server.end.set()


@pytest.mark.parametrize(
    "error",
    [Answered(410, "x", "expired"), Answered(500, "x", "fault"), Unreachable("x", OSError()), ZeroDivisionError()],
)
def test_a_broken_watch_is_taken_up_again(stop: threading.Event, error: Exception) -> None:
    server = Server([[], []], [error, [event("ADDED", thing("new", "n", 11))]])

    watched = copy_of(server, stop)

    until(lambda: watched.get("a", "new") is not None)
    assert dict(watched.within("a")) == {"new": "n"}
    assert server.asked[1] == "watch from 10"
    assert "watch from 10" in server.asked[2:]
    server.end.set()


def test_an_object_that_the_reader_leaves_out_is_not_kept(stop: threading.Event) -> None:
    server = Server([[thing("old", "o", 1), thing("empty", "", 2)]], [[event("MODIFIED", thing("old", "", 11))]])

    watched = copy_of(server, stop)

    until(lambda: not watched.within("a"))
    assert dict(watched.within("a")) == {}
    assert (watched.get("a", "old"), watched.get("a", "empty")) == (None, None)
    server.end.set()


def test_what_says_the_same_in_another_version_is_no_news(stop: threading.Event) -> None:
    value = "-".join(("of", "its", "own"))  # equal to the one that comes later, and not the same
    events = event("MODIFIED", thing("old", value, 11)) + event("ADDED", thing("new", "n", 12))
    server = Server([[thing("old", value, 1)]], [[events]])

    watched = copy_of(server, stop)
    before = watched.get("a", "old")

    until(lambda: watched.get("a", "new") is not None)
    assert watched.get("a", "old") is before
    server.end.set()


def test_an_object_from_elsewhere_is_read_only_if_it_is_another_version(stop: threading.Event) -> None:
    reads: list[str] = []

    def read(body: Mapping[str, Any]) -> list[str]:
        reads.append(body["value"])
        return [body["value"]]

    server = Server([[thing("old", "o", 1)]], [])
    watched = Watched("things", Resource(server, "/things"), read)
    watched.start(stop)
    assert watched.synced.wait(PATIENCE)

    assert watched.read(thing("old", "o", 1)) is watched.get("a", "old")
    assert watched.read(thing("old", "changed", 2)) == ["changed"]
    assert watched.read(thing("new", "n", 3)) == ["n"]
    assert reads == ["o", "changed", "n"]
    assert watched.get("a", "new") is None
    server.end.set()


def test_a_copy_that_was_never_listed_says_so() -> None:
    assert not Watched("things", Resource(Server([], []), "/things"), lambda body: body).synced.is_set()
