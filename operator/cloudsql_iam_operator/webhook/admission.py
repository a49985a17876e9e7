"""One admission request: facts, plan, and a fresh read before anybody is turned away for facts that may be old."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from cloudsql_iam_operator.api.names import GROUP
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.injection.discretion import discreet
from cloudsql_iam_operator.core.injection.facts import Facts
from cloudsql_iam_operator.core.injection.manifest import service_account_name
from cloudsql_iam_operator.core.injection.outcome import Code, Denied, Injected, Outcome, Unchanged
from cloudsql_iam_operator.core.injection.plan import MalformedPod, plan
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.injection.shelf import Shelf
from cloudsql_iam_operator.core.injection.workloads.hooks import loses_access
from cloudsql_iam_operator.core.injection.workloads.templates import Workload, account_of, annotations_of, reviewed
from cloudsql_iam_operator.services.runtime.readings import Readings
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.webhook import metrics
from cloudsql_iam_operator.webhook.review import Question

LOOK_SECONDS = 2.5
"""The most that a fresh read may take: well within the five seconds that the API server waits."""

log = logging.getLogger(__name__)
Decision = Callable[[Facts], Outcome]


class Source(Protocol):
    """Where facts come from."""

    def complete(self) -> bool:
        """Whether `facts` knows everything there is."""

    def facts(self, namespace: str, account: str) -> Facts:
        """Facts as last heard."""

    def facts_now(self, namespace: str, account: str) -> Facts:
        """Facts as stored now; blocks, and raises NotYet when they cannot be had."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A denial by facts that may be old: newer ones of this namespace and ServiceAccount decide. Holds no object."""

    namespace: str
    account: str
    denied: Denied


class Admission:
    """Decides about pods and what makes them. Without side effects, so that a dry run is like any other.

    Unless it is `trusting`, which takes callers that have proven to be the API server, denials name no accounts.
    """

    def __init__(
        self, source: Source, settings: InjectionSettings, threads: Threads, *, trusting: bool = False
    ) -> None:
        self._trusting = trusting
        self._source = source
        self._settings = settings
        self._shelf = Shelf()
        self._threads = threads
        self._looks: Readings[tuple[str, str], Facts] = Readings()

    def decide(self, asked: Question) -> Outcome | Doubt:
        """What to answer, by the facts as last heard. Never raises: a failure of ours is an answer that says so."""
        if asked.body is None:
            return Unchanged(Code.NO_ANNOTATIONS)
        try:
            case = self._case(asked, asked.body)
            outcome = self._spoken(case, self._source.facts(asked.namespace, case.account))
        except Exception as failure:  # noqa: BLE001 - whatever goes wrong in here, the API server must get an answer
            return _recorded(asked, _failed(asked, failure))
        if isinstance(outcome, Denied) and outcome.status == 403:
            return Doubt(asked.namespace, case.account, outcome)
        return _recorded(asked, outcome)

    async def look(self, doubt: Doubt) -> Facts | None:
        """Facts as stored now; None when they could not be had in time.

        One look serves all who doubt the same before it begins, and a namespace has a share of the threads.
        """
        where, calls = (doubt.namespace, doubt.account), self._threads.of(doubt.namespace)
        look = partial(calls.call, self._source.facts_now, *where, timeout=LOOK_SECONDS)
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await self._looks.read(where, look, max_age=0.0)
        except (NotYet, TimeoutError) as failure:
            log.warning("no fresh read of namespace %s: %s", doubt.namespace, str(failure) or "others came first")
        except Exception:  # a bug of ours is no reason to leave the API server waiting
            log.exception("no fresh read of namespace %s", doubt.namespace)
        return None

    def decide_by(self, asked: Question, doubt: Doubt, facts: Facts | None) -> Outcome:
        """What to answer after another look, which may have brought nothing."""
        if facts is None or asked.body is None:
            metrics.LIVE_READS.labels("failed").inc()
            return _recorded(asked, self._unsure(doubt.denied))
        try:
            outcome = self._spoken(self._case(asked, asked.body), facts)
        except Exception as failure:  # noqa: BLE001 - as above
            return _recorded(asked, _failed(asked, failure))
        metrics.LIVE_READS.labels("denied" if isinstance(outcome, Denied) else "allowed").inc()
        return _recorded(asked, outcome)

    def _case(self, asked: Question, body: Mapping[str, Any]) -> "_Case":
        if asked.kind == "Pod":
            return _Case(service_account_name(body), lambda facts: plan(body, facts, self._settings, self._shelf))
        if asked.group == GROUP:
            warnings = tuple(loses_access(asked.kind, annotations_of(body)))
            return _Case("", lambda _facts: Unchanged(Code.HOOK, warnings))
        workload = Workload(asked.group, asked.kind, body)
        return _Case(account_of(workload), lambda facts: reviewed(workload, facts, self._settings))

    def _spoken(self, case: "_Case", facts: Facts) -> Outcome:
        outcome = case.decision(facts)
        if self._trusting or isinstance(outcome, Injected):
            return outcome
        return discreet(outcome, facts)

    def _unsure(self, denied: Denied) -> Denied:
        if self._source.complete():
            return replace(denied, message=f"{denied.message} (as last heard; the API server did not answer in time)")
        text = "the injector has just started and the API server did not answer in time: try again"
        return replace(denied, message=text)


@dataclass(frozen=True, slots=True)
class _Case:
    """What is asked: the ServiceAccount that facts are about, and the decision by them."""

    account: str
    decision: Decision


def _failed(asked: Question, failure: Exception) -> Outcome:
    """A pod without what it asked for would not work; of a workload, the pods will be looked at again."""
    what = asked.kind.lower()
    if isinstance(failure, MalformedPod):
        return Denied(422, Code.POD_SHAPE, f"the object is no {what}: {failure}")
    log.error("admission request %s failed", asked.uid, exc_info=failure)
    text = f"the injector failed on this {what}; its log says why under {asked.uid}"
    return Denied(500, Code.BUG, text) if asked.kind == "Pod" else Unchanged(Code.BUG, (text,))


def _recorded(asked: Question, outcome: Outcome) -> Outcome:
    what, where, dry = asked.operation, asked.namespace, "true" if asked.dry_run else "false"
    match outcome:
        case Injected():
            metrics.requests(what, "injected", "", dry).inc()
            log.debug("injected a proxy into a pod of namespace %s, request %s", where, asked.uid)
        case Unchanged(code):
            metrics.requests(what, "unchanged", code.value, dry).inc()
            log.debug("left a %s of namespace %s as it is (%s), request %s", asked.kind, where, code.value, asked.uid)
        case Denied(_, code, message):
            metrics.requests(what, "denied", code.value, dry).inc()
            log.info("denied a %s: %s", asked.kind, message)
    return outcome
