"""One admission request: facts, plan, and a fresh read before anybody is turned away for facts that may be old."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from cloudsql_iam_operator.api.names import GROUP
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.injection.discretion import discreet
from cloudsql_iam_operator.core.injection.facts import Facts
from cloudsql_iam_operator.core.injection.outcome import Code, Denied, Injected, Outcome, Unchanged
from cloudsql_iam_operator.core.injection.plan import MalformedPod, plan
from cloudsql_iam_operator.core.injection.pod import service_account_name
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.injection.workloads.hooks import loses_access
from cloudsql_iam_operator.core.injection.workloads.templates import Workload, account_of, annotations_of, reviewed
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
        self._threads = threads

    async def decide(self, asked: Question) -> Outcome:
        """What to answer. Never raises: a failure of ours is a denial that says so, of pods only."""
        if asked.body is None:
            return Unchanged(Code.NO_ANNOTATIONS)
        try:
            outcome = await self._about(asked, asked.body)
        except MalformedPod as malformed:
            outcome = Denied(422, Code.POD_SHAPE, f"the object is no {asked.kind.lower()}: {malformed}")
        except Exception:  # whatever goes wrong in here, the API server must get an answer
            log.exception("admission request %s failed", asked.uid)
            outcome = _failed(asked)
        _record(asked, outcome)
        return outcome

    async def _about(self, asked: Question, body: Mapping[str, Any]) -> Outcome:
        if asked.kind == "Pod":
            decision: Decision = lambda facts: plan(body, facts, self._settings)  # noqa: E731 - beside its like below
            return await self._decided(asked.namespace, service_account_name(body), decision)
        if asked.group == GROUP:
            return Unchanged(Code.HOOK, tuple(loses_access(asked.kind, annotations_of(body))))
        workload = Workload(asked.group, asked.kind, body)
        return await self._decided(
            asked.namespace, account_of(workload), lambda facts: reviewed(workload, facts, self._settings)
        )

    async def _decided(self, namespace: str, account: str, decision: Decision) -> Outcome:
        facts = self._source.facts(namespace, account)
        outcome = self._spoken(decision(facts), facts)
        if not isinstance(outcome, Denied) or outcome.status != 403:
            return outcome
        try:
            facts = await self._threads.call(self._source.facts_now, namespace, account, timeout=LOOK_SECONDS)
        except NotYet as failure:
            metrics.LIVE_READS.labels("failed").inc()
            log.warning("no fresh read of namespace %s: %s", namespace, failure.message)
            return self._unsure(outcome)
        second = self._spoken(decision(facts), facts)
        metrics.LIVE_READS.labels("denied" if isinstance(second, Denied) else "allowed").inc()
        return second

    def _spoken(self, outcome: Outcome, facts: Facts) -> Outcome:
        if self._trusting or isinstance(outcome, Injected):
            return outcome
        return discreet(outcome, facts)

    def _unsure(self, denied: Denied) -> Denied:
        if self._source.complete():
            return replace(denied, message=f"{denied.message} (as last heard; the API server did not answer in time)")
        text = "the injector has just started and the API server did not answer in time: try again"
        return replace(denied, message=text)


def _failed(asked: Question) -> Outcome:
    """A pod without what it asked for would not work; of a workload, the pods will be looked at again."""
    text = f"the injector failed on this {asked.kind.lower()}; its log says why under {asked.uid}"
    return Denied(500, Code.BUG, text) if asked.kind == "Pod" else Unchanged(Code.BUG, (text,))


def _record(asked: Question, outcome: Outcome) -> None:
    where, dry = asked.namespace, str(asked.dry_run).lower()
    match outcome:
        case Injected():
            metrics.REQUESTS.labels("injected", "", dry).inc()
            log.debug("injected a proxy into a pod of namespace %s, request %s", where, asked.uid)
        case Unchanged(code):
            metrics.REQUESTS.labels("unchanged", code.value, dry).inc()
            log.debug("left a %s of namespace %s as it is (%s), request %s", asked.kind, where, code.value, asked.uid)
        case Denied(_, code, message):
            metrics.REQUESTS.labels("denied", code.value, dry).inc()
            log.info("denied a %s: %s", asked.kind, message)
