"""What pods are made within: rules and defaults of their namespaces, and the kubelets that they may come to."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from cloudsql_iam_operator.adapters.cluster.admission import AdmissionCluster
from cloudsql_iam_operator.adapters.cluster.watch import Watched
from cloudsql_iam_operator.core.injection.cluster import surroundings
from cloudsql_iam_operator.core.injection.facts import Facts, KubeletFact, NamespaceFact
from cloudsql_iam_operator.webhook import metrics

MOST_KNOWN = 10_000
"""ServiceAccounts for which facts are kept ready."""

_NO_MARKS: Mapping[str, str] = {}


class Inner(Protocol):
    """Where facts about users and accounts come from."""

    def start(self, stop: threading.Event) -> None:
        """Begin to watch."""

    def complete(self) -> bool:
        """Whether `facts` knows everything there is."""

    def facts(self, namespace: str, account: str) -> Facts:
        """Facts as last heard."""

    def facts_now(self, namespace: str, account: str) -> Facts:
        """Facts as stored now."""


@dataclass(frozen=True, slots=True)
class _Whole:
    """Facts, and the very parts that they were put together from."""

    parts: tuple[object, ...]
    facts: Facts


class Surrounded:
    """Facts with what surrounds a pod; the same object while nothing changes. Belongs to one thread, but facts_now."""

    def __init__(self, inner: Inner, cluster: AdmissionCluster) -> None:
        self._inner = inner
        self._marks = Watched("namespaces", cluster.listed("namespaces"), surroundings.annotations)
        self._quotas = Watched("resourcequotas", cluster.listed("resourcequotas"), surroundings.quota)
        self._ranges = Watched("limitranges", cluster.listed("limitranges"), surroundings.limit_range)
        self._nodes = Watched("nodes", cluster.listed("nodes"), surroundings.kubelet)
        self._copies: tuple[Watched[Any], ...] = (self._marks, self._quotas, self._ranges, self._nodes)
        self._whole: dict[tuple[str, str], _Whole] = {}
        self._heard: object = None
        self._kubelets: tuple[KubeletFact, ...] = ()

    def start(self, stop: threading.Event) -> None:
        """Begin to watch."""
        self._inner.start(stop)
        for copy in self._copies:
            copy.start(stop)
            metrics.CACHE_AGE.labels(copy.what).set_function(copy.age)

    def complete(self) -> bool:
        """Whether every kind has been listed."""
        return self._inner.complete() and all(copy.synced.is_set() for copy in self._copies)

    def facts(self, namespace: str, account: str) -> Facts:
        """Facts about a pod of this namespace and ServiceAccount, as last heard."""
        inner, kubelets = self._inner.facts(namespace, account), self._of_nodes()
        marks, quotas, ranges = self._parts(namespace)
        parts = (inner, kubelets, marks, quotas, ranges)
        known = self._whole.get((namespace, account))
        if known is not None and all(one is other for one, other in zip(known.parts, parts, strict=True)):
            return known.facts
        about = surroundings.about(marks, quotas.values(), ranges.values())
        whole = replace(inner, about=about, kubelets=kubelets)
        if len(self._whole) >= MOST_KNOWN:
            self._whole.clear()
        if inner.service_account is not None:
            self._whole[namespace, account] = _Whole(parts, whole)
        return whole

    def facts_now(self, namespace: str, account: str) -> Facts:
        """The same with users and accounts as stored now; blocks.

        Raises:
            NotYet: the API server did not answer in time.
        """
        inner = self._inner.facts_now(namespace, account)
        return replace(inner, about=self._about(namespace), kubelets=self._of_nodes())

    def _about(self, namespace: str) -> NamespaceFact:
        marks, quotas, ranges = self._parts(namespace)
        return surroundings.about(marks, quotas.values(), ranges.values())

    def _parts(self, namespace: str) -> tuple[Mapping[str, str], Mapping[str, Any], Mapping[str, Any]]:
        marks = self._marks.get("", namespace)
        return marks or _NO_MARKS, self._quotas.within(namespace), self._ranges.within(namespace)

    def _of_nodes(self) -> tuple[KubeletFact, ...]:
        """Kubelets by version; a node's signs of life are no news to the copy."""
        heard = self._nodes.within("")
        if heard is not self._heard:
            self._heard, self._kubelets = heard, surroundings.kubelets(heard)
        return self._kubelets
