"""Keeps the NetworkPolicies that pod templates ask for, and takes them away with the template that asked."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cloudsql_iam_operator.core.injection.pod import MalformedPod
from cloudsql_iam_operator.core.injection.workloads.network import (
    OURS,
    Asking,
    Ranges,
    asking,
    is_ours,
    objection,
    policy,
)
from cloudsql_iam_operator.core.injection.workloads.templates import TEMPLATES, Workload

REASON = "NetworkPolicyRefused"
log = logging.getLogger(__name__)


class Cluster(Protocol):
    """Workloads and NetworkPolicies of the cluster."""

    def workloads(self, group: str, kind: str) -> Iterable[dict[str, Any]]:
        """All of a kind, never all at once."""

    def policies(self, namespace: str) -> list[dict[str, Any]]:
        """All policies of a namespace."""

    def labelled(self, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        """All policies with these labels."""

    def apply(self, policy: dict[str, Any]) -> str:
        """Store a policy; why that was refused, "" when it was not."""

    def delete(self, policy: dict[str, Any]) -> str:
        """Delete a policy; why that was refused, "" when it was not."""

    def tell(self, namespace: str, about: Mapping[str, Any], reason: str, message: str) -> bool:
        """Record an Event about a workload; False when it is there already."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a workload that asks: why it has no policy, or not the one that it should; "" when it has."""

    who: Asking
    why_not: str

    @property
    def sentence(self) -> str:
        """The same for a person."""
        named = f"{self.who.owner['kind']} {self.who.owner['name']}"
        return f"no NetworkPolicy is made for {named}: {self.why_not}" if self.why_not else ""


class NetworkPolicies:
    """One round compares who asks with what there is; nothing is kept between rounds, and at rest nothing is written.

    `fence` raises when this process may not write any more.
    """

    def __init__(self, cluster: Cluster, ranges: Ranges, fence: Callable[[], None]) -> None:
        self._cluster = cluster
        self._ranges = ranges
        self._fence = fence

    def round(self) -> tuple[Told, ...]:
        """Look at all workloads once; what came of each that asks.

        Raises:
            NotYet: the API server cannot be reached, or refuses to show them.
        """
        there = {_place(p): p for p in self._cluster.labelled(OURS) if is_ours(p)}
        told: list[Told] = []
        for namespace, askers in self._askers().items():
            policies = self._cluster.policies(namespace)
            for who in askers:
                why_not = objection(who, policies)
                if not why_not:
                    why_not = self._kept(policy(who, policies, self._ranges), there.pop((namespace, who.name), None))
                told.append(Told(who, why_not))
        for one in told:
            if one.why_not:
                self._refused(one)
        for stale in there.values():
            self._gone(stale)
        return tuple(told)

    def _askers(self) -> dict[str, list[Asking]]:
        found: dict[str, list[Asking]] = {}
        for group, kind in TEMPLATES:
            for body in self._cluster.workloads(group, kind):
                who = _asking(Workload(group, kind, body))
                if who is not None:
                    found.setdefault(who.namespace, []).append(who)
        return found

    def _kept(self, wanted: dict[str, Any], stored: Mapping[str, Any] | None) -> str:
        if stored is not None and stored["spec"] == wanted["spec"]:
            return ""
        self._fence()
        refused = self._cluster.apply(wanted)
        if not refused:
            owner = wanted["metadata"]["ownerReferences"][0]
            log.info("wrote NetworkPolicy %s/%s for %s %s", *_place(wanted), owner["kind"], owner["name"])
        return refused

    def _gone(self, stale: dict[str, Any]) -> None:
        self._fence()
        refused = self._cluster.delete(stale)
        if refused:
            log.warning("NetworkPolicy %s/%s is not due any more and stays: %s", *_place(stale), refused)
        else:
            log.info("deleted NetworkPolicy %s/%s", *_place(stale))

    def _refused(self, told: Told) -> None:
        self._fence()
        if self._cluster.tell(told.who.namespace, told.who.owner, REASON, told.sentence):
            log.warning("in namespace %s %s", told.who.namespace, told.sentence)


def _place(policy: Mapping[str, Any]) -> tuple[str, str]:
    return policy["metadata"]["namespace"], policy["metadata"]["name"]


def _asking(workload: Workload) -> Asking | None:
    owners = workload.body["metadata"].get("ownerReferences") or ()
    if any(owner.get("controller") for owner in owners):
        return None  # the Jobs of a CronJob have its labels
    try:
        return asking(workload)
    except MalformedPod:
        return None
