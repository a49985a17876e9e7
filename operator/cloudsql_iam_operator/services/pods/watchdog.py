"""Looks now and then for pods that run without their proxy, says so, and has them made again when told to."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from cloudsql_iam_operator.api.parsing.times import instant_of
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.injection.facts import Facts
from cloudsql_iam_operator.core.injection.manifest import service_account_name
from cloudsql_iam_operator.core.injection.pod import MalformedPod
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.injection.workloads.missing import Missing, Remedy, missing, outdated, owner_of, suspect

MOST_RESTARTS = 5
"""Pods that one round has made again: a fleet does not go down at once."""

MOST_OWNERS = 1000
"""Controllers of which is remembered when a pod of theirs was first made again."""

REASON = "ProxyMissing"
JSON = Mapping[str, Any]
log = logging.getLogger(__name__)


class Pods(Protocol):
    """The pods of the cluster."""

    def opted_out(self) -> frozenset[str]:
        """Namespaces that take no part by their label."""

    def metadata(self) -> Iterable[dict[str, Any]]:
        """Metadata of all pods, never all at once."""

    def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One pod; None when it is gone."""

    def tell(self, metadata: dict[str, Any], reason: str, message: str) -> bool:
        """Record an Event about it; False when that is there already."""

    def evict(self, metadata: dict[str, Any]) -> bool:
        """Have it made again; False when that is not allowed now."""


@dataclass(frozen=True, slots=True)
class Count:
    """What a round found: pods without their proxy, sidecars with an image of before, and pods made again."""

    missing: int = 0
    outdated: int = 0
    restarted: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What the administrator wants: `restart` too, or only to be told. `every` is seconds between rounds.

    In the namespaces `left_out`, and in those that opt out, the webhook injects nothing, and nothing is missing.
    """

    restart: bool
    every: float
    left_out: frozenset[str] = frozenset()


class Watchdog:
    """Holds nothing about pods between rounds, but which controllers it has had make one again.

    `facts` are read anew. `ready` says whether a pod that is made now would be seen; before, nothing is restarted.
    A controller whose new pod misses its proxy again is left alone: something else is wrong, and there would be no end.
    """

    def __init__(
        self, pods: Pods, facts: Callable[[str, str], Facts], ready: Callable[[], bool], settings: InjectionSettings
    ) -> None:
        self._pods = pods
        self._facts = facts
        self._ready = ready
        self._settings = settings
        self._tried: OrderedDict[str, datetime] = OrderedDict()

    def start(self, rules: Rules, counted: Callable[[Count], None], stop: threading.Event) -> None:
        """Do rounds in a thread of its own, until `stop` is set or the process ends."""

        def keep() -> None:
            while not stop.wait(rules.every):
                try:
                    if self._ready():
                        counted(self.round(rules, datetime.now(UTC)))
                except NotYet as failure:
                    log.warning("pods without proxy not looked for: %s", failure.message)
                except Exception:  # a watchdog that is gone looks like one that finds nothing
                    log.exception("pods without proxy not looked for")

        threading.Thread(target=keep, name="watchdog", daemon=True).start()

    def round(self, rules: Rules, now: datetime) -> Count:
        """Look at all pods once.

        Raises:
            NotYet: the API server cannot be reached, or refuses.
        """
        found = old = restarted = 0
        left_out = rules.left_out | self._pods.opted_out()
        for metadata in self._pods.metadata():
            old += outdated(metadata, self._settings)
            asked = metadata["namespace"] not in left_out and suspect(metadata, now)
            about = self._look(metadata) if asked else None
            if about is None:
                continue
            found += 1
            if self._pods.tell(metadata, REASON, about.message):
                log.warning("pod %s/%s: %s", metadata["namespace"], metadata["name"], about.message)
            if rules.restart and about.remedy is Remedy.RESTART and restarted < MOST_RESTARTS:
                restarted += self._restart(metadata, now)
        return Count(found, old, restarted)

    def _look(self, metadata: JSON) -> Missing | None:
        body = self._pods.get(metadata["namespace"], metadata["name"])
        if body is None or body["metadata"]["uid"] != metadata["uid"]:
            return None
        try:
            facts = self._facts(metadata["namespace"], service_account_name(body))
            return missing(body, facts, self._settings)
        except MalformedPod as malformed:
            log.warning("pod %s/%s not understood: %s", metadata["namespace"], metadata["name"], malformed)
            return None

    def _restart(self, metadata: dict[str, Any], now: datetime) -> bool:
        # a uid is what the pod says: one of another namespace is nobody's here
        owner = f"{metadata['namespace']}/{owner_of(metadata)}"
        made = instant_of(metadata.get("creationTimestamp"))
        tried = self._tried.get(owner)
        if made is None or (tried is not None and made >= tried):
            return False  # it is what an eviction has brought
        if not self._ready() or not self._pods.evict(metadata):
            return False
        self._tried.setdefault(owner, now)
        while len(self._tried) > MOST_OWNERS:
            self._tried.popitem(last=False)
        log.info("evicted pod %s/%s, to be made again with its proxy", metadata["namespace"], metadata["name"])
        return True
