"""A local copy of one kind of object, kept by list and watch in a thread of its own. What is kept is the reader's."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

import orjson
import urllib3

from cloudsql_iam_operator.adapters.cluster.rest import Answered, Limits
from cloudsql_iam_operator.core.errors import NotYet

T = TypeVar("T")
Object = Mapping[str, Any]


class Streams(Protocol):
    """What answers lists and watches."""

    def stream(self, path: str, limits: Limits, query: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """The response at the path, its body not read yet."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Where objects of a kind are listed and watched; `query` narrows them."""

    rest: Streams
    path: str
    query: Mapping[str, str] = field(default_factory=dict)


PAGE = "500"
LIST_SECONDS = (5.0, 25.0)
WATCH_SECONDS = 240
SILENCE_SECONDS = 100.0
"""A watch that brings nothing for so long is dead: bookmarks come about every minute."""

RELIST_SECONDS = 900.0
"""A full list now and then, because a broken watch hides deletions."""

LONGEST_PAUSE = 20.0

_NOTHING: Mapping[str, Any] = MappingProxyType({})
log = logging.getLogger(__name__)


class _Expired(Exception):
    """The watch cannot go on from where it was; only a full list helps."""


class Watched(Generic[T]):
    """Objects as last seen, by namespace and name. Readers never wait, and see each object whole.

    `read` turns an object as JSON into what is kept, None to leave it out; what equals the one before is not kept anew.
    `changed` is called after every change, in the watching thread.
    """

    def __init__(
        self,
        what: str,
        resource: Resource,
        read: Callable[[Object], T | None],
        changed: Callable[[], None] | None = None,
    ) -> None:
        self.what = what
        self.synced = threading.Event()
        self._resource = resource
        self._read = read
        self._changed = changed or (lambda: None)
        self._kept: Mapping[str, Mapping[str, T]] = {}
        self._versions: dict[tuple[str, str], str] = {}
        self._version = ""
        self._heard = 0.0

    def get(self, namespace: str, name: str) -> T | None:
        """The object of that name; namespace "" for cluster-scoped ones."""
        return self._kept.get(namespace, _NOTHING).get(name)

    def within(self, namespace: str) -> Mapping[str, T]:
        """All objects of a namespace by name; a snapshot."""
        return self._kept.get(namespace, _NOTHING)

    def read(self, item: Object) -> T | None:
        """What is to be kept of an object that was asked for elsewhere; read anew only if it is another version."""
        place = _place(item)
        if self._versions.get(place) == item["metadata"]["resourceVersion"]:
            return self.get(*place)
        return self._read(item)

    def age(self) -> float:
        """Seconds since the API server was last heard from about this kind."""
        return time.monotonic() - self._heard

    def start(self, stop: threading.Event) -> None:
        """Begin to watch, until `stop` is set or the process ends."""
        threading.Thread(target=self._keep, args=(stop,), name=f"watch {self.what}", daemon=True).start()

    def _keep(self, stop: threading.Event) -> None:
        failures = 0
        listed = -RELIST_SECONDS
        while not stop.is_set():
            try:
                if not self._version or time.monotonic() - listed > RELIST_SECONDS:
                    self._list()
                    listed = time.monotonic()
                self._follow(stop)
                failures = 0
            except _Expired:
                self._version = ""
            except Exception as error:  # noqa: BLE001 - a copy that stops being kept would be believed for ever
                failures += 1
                log.warning("watch of %s broke, trying again: %s", self.what, _brief(error))
                if isinstance(error, Answered) and error.status == 410:
                    self._version = ""
                stop.wait(random.uniform(0.5, 1.0) * min(2.0**failures / 4, LONGEST_PAUSE))  # noqa: S311 - jitter

    def _list(self) -> None:
        found: dict[str, dict[str, T]] = {}
        versions: dict[tuple[str, str], str] = {}
        token = ""
        while True:
            page = orjson.loads(self._ask(LIST_SECONDS, {"limit": PAGE, "continue": token}).data)
            for item in page["items"]:
                place = namespace, name = _place(item)
                versions[place] = item["metadata"]["resourceVersion"]
                kept = self._news(place, item)
                if kept is not None:
                    found.setdefault(namespace, {})[name] = kept
            token = page["metadata"].get("continue", "")
            if not token:
                break
        self._kept, self._versions, self._version = found, versions, page["metadata"]["resourceVersion"]
        self._heard = time.monotonic()
        self.synced.set()
        self._changed()

    def _ask(self, limits: Limits, query: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        parameters = {name: value for name, value in {**self._resource.query, **query}.items() if value}
        return self._resource.rest.stream(self._resource.path, limits, parameters)

    def _news(self, place: tuple[str, str], item: Object) -> T | None:
        """What is to be kept of the object: the very same while it says the same."""
        kept, known = self._read(item), self.get(*place)
        return known if known == kept else kept

    def _follow(self, stop: threading.Event) -> None:
        seconds = int(random.uniform(0.8, 1.0) * WATCH_SECONDS)  # noqa: S311 - spreads reconnections
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        response = self._ask((LIST_SECONDS[0], SILENCE_SECONDS), {**query, "resourceVersion": self._version})
        try:
            for line in _lines(response):
                if stop.is_set():
                    return
                self._take(orjson.loads(line))
        except urllib3.exceptions.ReadTimeoutError:
            log.debug("watch of %s was silent, opening another", self.what)
        finally:
            response.close()

    def _take(self, event: Mapping[str, Any]) -> None:
        item = event["object"]
        if event["type"] == "ERROR":
            log.debug("watch of %s ended: %s", self.what, item.get("reason"))
            raise _Expired
        self._heard = time.monotonic()
        self._version = item["metadata"]["resourceVersion"]
        if event["type"] == "BOOKMARK":
            return
        self._replace(_place(item), None if event["type"] == "DELETED" else item)
        self._changed()

    def _replace(self, place: tuple[str, str], item: Object | None) -> None:
        """Put a new mapping in the place of the old one: readers in other threads may be going over it."""
        namespace, name = place
        kept = None if item is None else self._news(place, item)
        if kept is not self.get(namespace, name):
            objects = {other: value for other, value in self._kept.get(namespace, _NOTHING).items() if other != name}
            if kept is not None:
                objects[name] = kept
            self._kept = {**self._kept, namespace: objects}
        if item is None:
            self._versions.pop(place, None)
        else:
            self._versions[place] = item["metadata"]["resourceVersion"]


def _place(item: Object) -> tuple[str, str]:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(65536):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line)


def _brief(error: Exception) -> str:
    return error.message if isinstance(error, NotYet) else type(error).__name__
