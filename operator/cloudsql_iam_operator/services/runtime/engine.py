"""What happens to a key that the queue hands out: it is reconciled, its status stored, its next reconcile planned."""

import asyncio
import logging
import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from cloudsql_iam_operator.adapters.cluster.lease import LeadershipLost
from cloudsql_iam_operator.adapters.cluster.objects import Cluster, Notice
from cloudsql_iam_operator.api.names import INSTANCE, KINDS, Key, Kind
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.reasons import Reason, Standing
from cloudsql_iam_operator.core.status import ConditionType, Finding
from cloudsql_iam_operator.services.runtime.finalizers import Finalizers
from cloudsql_iam_operator.services.runtime.objects import CLUSTER_SECONDS, key_of, uid_of
from cloudsql_iam_operator.services.runtime.registry import Live, News, Registry
from cloudsql_iam_operator.services.runtime.reports import (
    Report,
    fields_of,
    notices_of,
    readiness,
    status_of,
    warnings_of,
)
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.runtime.turns import Turns
from cloudsql_iam_operator.services.runtime.workqueue import WorkQueue
from cloudsql_iam_operator.services.waiting import ranks
from cloudsql_iam_operator.services.waiting.ranks import Overtaken, Rank

log = logging.getLogger(__name__)

BREATH = 100
"""Objects of a full list that are looked through before the event loop turns again."""

NEAR_SECONDS = 30.0
"""The longest pause where no watch shows the mending, and a reconcile costs a call to the API server only."""

IN_THE_CLUSTER = frozenset({Reason.SERVICE_ACCOUNT_NOT_FOUND, Reason.SERVICE_ACCOUNT_NOT_ANNOTATED})


class Reconciler(Protocol):
    """What is done for one kind."""

    async def reconcile(self, live: Live) -> Report:
        """Bring the outside to what the object declares."""
        ...

    async def remove(self, live: Live) -> Report:
        """Take away what the object caused; a report that holds means that nothing is left to do."""
        ...


class Observer(Protocol):
    """Who counts reconciles."""

    def reconciled(self, kind: str, reason: str, seconds: float) -> None:
        """One reconcile of one object ended so."""
        ...

    def changed(self, kind: str, change: str) -> None:
        """Something outside was changed for an object: Created, Granted, DriftCorrected …."""
        ...

    def orphaned(self, project: str, bindings: int) -> None:
        """So many bindings of a project carry a title of ours, and no object wants them."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """What the engine itself talks to; `forget` ends every other memory of an object."""

    cluster: Cluster
    threads: Threads
    observer: Observer
    forget: Callable[[Key], None] = lambda key: None


class Engine:
    """Reconciles over one queue of keys. Belongs to one event loop."""

    def __init__(
        self, registry: Registry, queue: WorkQueue[Key], reconcilers: Mapping[str, Reconciler], outside: Outside
    ) -> None:
        self._registry = registry
        self._queue = queue
        self._reconcilers = reconcilers
        self._outside = outside
        self._finalizers = Finalizers(registry, outside.cluster, outside.threads)
        self.press: Callable[[Key], None] = lambda key: None
        """Called for objects that were edited or deleted, which may be waiting for something."""

    def seen(self, key: Key, body: Mapping[str, Any]) -> None:
        """A watch or a list showed this object; one that has ended does not come back by a list that came late."""
        if self._registry.has_ended(uid_of(body)):
            return
        former = self._registry.former(key, body)
        if former is not None:
            self.vanished(key, former.uid)
        news = self._registry.put(key, body)
        live = self._registry.get(key)
        if live is None or news is News.NOTHING:
            return
        rank = Rank.EDIT if news is News.EDITED else _rank(live)
        if live.held or not live.deleting:
            self._queue.add(key, rank)
        if rank is Rank.EDIT:
            self.press(key)
        if news is not News.HELD:
            self._wake(key, min(rank, Rank.FIRST))

    def vanished(self, key: Key, uid: str) -> None:
        """The object exists no more; another of its name may."""
        freed = self._finalizers.ended(uid)
        live = self._registry.get(key)
        if live is None or live.uid != uid:
            self._registry.end(key, uid)
        else:
            self._wake(key, Rank.EDIT)
            self._queue.forget(key)
            self._registry.end(key, uid)
            self._outside.forget(key)
            if not freed:
                self._depart(live, live.status)

    def _depart(self, live: Live, status: Mapping[str, Any]) -> None:
        """Take back what an object caused that vanished before: somebody took its finalizer off, or it was missed."""
        if live.key.kind != INSTANCE.name and status and not live.departed:
            self._queue.add(self._registry.depart(live, status))

    def _overtaken(self, live: Live, report: Report) -> None:
        """It vanished while it was reconciled, and what was done for it since is known only now."""
        self.vanished(live.key, live.uid)
        self._outside.forget(live.key)
        self._depart(live, {**live.status, **report.fields})

    async def removed(self, key: Key, uid: str) -> None:
        """Return when all that the object caused is taken away and our finalizer is off it, or when it is gone."""
        if self._knows(key, uid):
            self._queue.add(key)
            await self._finalizers.gone(uid)

    def _knows(self, key: Key, uid: str) -> bool:
        live = self._registry.get(key)
        return live is not None and live.uid == uid

    async def relist(self) -> None:
        """Read all objects anew: a broken watch hides deletions."""
        for kind in KINDS:
            known = self._registry.of_kind(kind.name)
            found = await self._listed(kind)
            for live in known:
                if live.key not in found and not live.departed:
                    self.vanished(live.key, live.uid)
        self._registry.listed = True

    async def _listed(self, kind: Kind) -> set[Key]:
        """Look through all objects of a kind, of which no more than two pages are held at a time; their keys."""
        pages, found = self._outside.cluster.pages(kind), set[Key]()
        while page := await self._outside.threads.call(next, pages, (), timeout=CLUSTER_SECONDS):
            for number, body in enumerate(page):
                if not self._registry.has_ended(uid_of(body)):
                    found.add(key_of(body))
                    self.seen(key_of(body), body)
                if number % BREATH == 0:
                    await asyncio.sleep(0)
        return found

    async def work(self) -> None:
        """Reconcile what the queue hands out, for ever.

        Raises:
            LeadershipLost: nothing outside may be written any more.
        """
        await Turns(self._queue, self._attempt).run()

    async def _attempt(self, key: Key) -> None:
        try:
            await self._reconcile(key)
        except LeadershipLost:
            raise
        except Overtaken:
            self._queue.add(key, Rank.EDIT)
        except Failure as failure:
            log.warning("%s: %s; again in %.1f s", key, failure, self._queue.retry(key))
        except Exception as error:  # a bug in one reconciler must not stop the others
            log.exception("%s: unexpected error; again in %.1f s", key, self._queue.retry(key))
            await self._admit_bug(key, error)

    async def _reconcile(self, key: Key) -> None:
        live = await self._finalizers.held(key)
        if live is None:
            return
        if self._finalizers.is_freed(live.uid):
            await self._let_go(live)
            return
        began = asyncio.get_running_loop().time()
        reconciler = self._reconcilers[key.kind]
        report = await (reconciler.remove(live) if live.deleting else reconciler.reconcile(live))
        if not self._knows(key, live.uid):
            self._overtaken(live, report)
            return
        await self._store(live, report)
        self._count(key.kind, report, asyncio.get_running_loop().time() - began)
        if not self._knows(key, live.uid):
            return
        if live.deleting and report.holds:
            await self._released(live)
        else:
            self._plan(live, report)

    async def _released(self, live: Live) -> None:
        """Nothing is left of what the object caused: let it go."""
        self._queue.forget(live.key)
        if live.departed:
            log.info("%s: what it had caused is taken back", live.key)
            self._wake(live.key, Rank.EDIT)
            self._registry.end(live.key, live.uid)
        else:
            await self._let_go(live)

    async def _let_go(self, live: Live) -> None:
        if await self._finalizers.let_go(live):
            self.vanished(live.key, live.uid)

    def _count(self, kind: str, report: Report, seconds: float) -> None:
        self._outside.observer.reconciled(kind, report.reason, seconds)
        for change, _ in report.changes:
            self._outside.observer.changed(kind, change)

    async def _store(self, live: Live, report: Report) -> None:
        status = status_of(live, report, datetime.now(UTC))
        stored_now = self._registry.get(live.key) or live  # a reconciler may have stored something on its way
        if live.deleting and report.holds:
            await self._post(warnings_of(live, report))
            return
        if status == stored_now.status or (report.passing and not stored_now.told):
            return
        if live.departed:
            self._registry.depart(live, status)
            return
        apply = self._outside.cluster.apply_status
        stored = await self._outside.threads.call(apply, live.key, live.uid, status, timeout=CLUSTER_SECONDS)
        if stored is None or not self._registry.renew(live.key, stored):
            self._overtaken(live, report)
            return
        if readiness(live.status) != readiness(status):
            self._wake(live.key, Rank.EDIT if live.ready else min(ranks.current(), Rank.FIRST))
        await self._post([*warnings_of(live, report), *notices_of(live, report)])

    async def _post(self, notices: Iterable[Notice]) -> None:
        for notice in notices:
            await self._outside.threads.call(self._outside.cluster.post, notice, timeout=CLUSTER_SECONDS)

    async def _admit_bug(self, key: Key, bug: Exception) -> None:
        """Say in the status that a bug was met, for otherwise it would say what was before; all else in it stays."""
        live = self._registry.get(key)
        if live is None or not live.held:
            return
        text = f"unexpected {type(bug).__name__}, which is a bug: the operator's log tells more"
        finding = Finding(ConditionType.READY, Reason.INTERNAL_ERROR, text)
        try:
            await self._store(live, Report((finding,), fields_of(live)))
        except LeadershipLost:
            raise
        except Exception:  # it may be the status that is wrong
            log.exception("%s: the unexpected error is not in its status", key)

    def _wake(self, key: Key, rank: Rank) -> None:
        for dependent in self._registry.dependents(key):
            self._queue.add(dependent, rank)

    def _plan(self, live: Live, report: Report) -> None:
        key = live.key
        if report.by is not None:
            self._queue.add_after(key, report.by)
        waits = any(f.reason.standing is Standing.WAITS for f in report.findings)
        rank = Rank.EDIT if live.deleting else Rank.FIRST if waits else Rank.CHECK
        if waits and report.again is None:
            near = live.deleting or any(f.reason in IN_THE_CLUSTER for f in report.findings)
            self._queue.retry(key, NEAR_SECONDS if near else math.inf, rank)
            return
        if not waits:
            self._queue.succeeded(key)
        seconds = report.again if report.again is not None else 300.0
        self._queue.add_after(key, seconds * random.uniform(0.9, 1.0), rank)  # noqa: S311 - spreads a herd


def _rank(live: Live) -> Rank:
    """How pressing an object is that was not known: at a restart most are as they should be."""
    handled = live.status.get("observedGeneration", -1)
    if live.deleting or (handled > 0 and handled != live.generation):
        return Rank.EDIT
    return Rank.CHECK if live.ready else Rank.FIRST
