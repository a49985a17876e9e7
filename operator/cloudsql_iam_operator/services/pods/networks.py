"""Keeps the NetworkPolicies that pod templates ask for, and takes them away with the template that asked."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from cloudsql_iam_operator.core.injection.pod import MalformedPod
from cloudsql_iam_operator.core.injection.workloads.network import OURS, Asking, Ranges, asking, objection, policy
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

    def apply(self, policy: dict[str, Any]) -> None:
        """Store a policy."""

    def delete(self, policy: dict[str, Any]) -> None:
        """Delete a policy."""

    def tell(self, namespace: str, about: Mapping[str, Any], reason: str, message: str) -> bool:
        """Record an Event about a workload; False when it is there already."""


class NetworkPolicies:
    """One round compares who asks with what there is; nothing is kept between rounds, and at rest nothing is written.

    `fence` raises when this process may not write any more.
    """

    def __init__(self, cluster: Cluster, ranges: Ranges, fence: Callable[[], None]) -> None:
        self._cluster = cluster
        self._ranges = ranges
        self._fence = fence

    def round(self) -> None:
        """Look at all workloads once.

        Raises:
            NotYet: the API server cannot be reached, or refuses.
        """
        there = {(p["metadata"]["namespace"], p["metadata"]["name"]): p for p in self._cluster.labelled(OURS)}
        for namespace, askers in self._askers().items():
            policies = self._cluster.policies(namespace)
            for who in askers:
                why_not = objection(who, policies)
                if why_not:
                    self._refused(who, why_not)
                else:
                    self._kept(who, there.pop((namespace, who.name), None))
        for stale in there.values():
            self._fence()
            self._cluster.delete(stale)
            log.info("deleted NetworkPolicy %s/%s", stale["metadata"]["namespace"], stale["metadata"]["name"])

    def _askers(self) -> dict[str, list[Asking]]:
        found: dict[str, list[Asking]] = {}
        for group, kind in TEMPLATES:
            for body in self._cluster.workloads(group, kind):
                who = _asking(Workload(group, kind, body))
                if who is not None:
                    found.setdefault(who.namespace, []).append(who)
        return found

    def _kept(self, who: Asking, stored: Mapping[str, Any] | None) -> None:
        wanted = policy(who, self._ranges)
        if stored is not None and stored["spec"] == wanted["spec"]:
            return
        self._fence()
        self._cluster.apply(wanted)
        log.info("wrote NetworkPolicy %s/%s for %s %s", who.namespace, who.name, who.owner["kind"], who.owner["name"])

    def _refused(self, who: Asking, why: str) -> None:
        self._fence()
        if self._cluster.tell(who.namespace, who.owner, REASON, f"no NetworkPolicy is made for it: {why}"):
            log.warning("%s %s/%s gets no NetworkPolicy: %s", who.owner["kind"], who.namespace, who.owner["name"], why)


def _asking(workload: Workload) -> Asking | None:
    owners = workload.body["metadata"].get("ownerReferences") or ()
    if any(owner.get("controller") for owner in owners):
        return None  # the Jobs of a CronJob have its labels
    try:
        return asking(workload)
    except MalformedPod:
        return None
