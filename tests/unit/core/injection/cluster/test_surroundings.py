"""Namespaces, quotas, limit ranges and nodes as the API server hands them out."""

from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.cluster.surroundings import annotations, kubelet, kubelets, limit_range, quota
from cloudsql_iam_operator.core.injection.facts import KubeletFact, LimitRangeFact, QuotaFact


def node(version: str, unschedulable: bool = False, os: str = "linux") -> dict[str, Any]:
    return {
        "metadata": {"name": "n", "labels": {"kubernetes.io/os": os}},
        "spec": {"unschedulable": unschedulable},
        "status": {"nodeInfo": {"kubeletVersion": version}},
    }


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (node("v1.33.7"), (1, 33, 7)),
        (node("v1.33.7-gke.1392000"), (1, 33, 7)),
        (node("v1.30.14-eks-1+abc"), (1, 30, 14)),
        (node("v1.33.7", unschedulable=True), None),
        (node("v1.33.7", os="windows"), None),
        (node("unknown"), None),
        ({"metadata": {"name": "n"}}, None),
    ],
)
def test_a_node_is_the_version_of_its_kubelet(body: dict[str, Any], version: tuple[int, int, int] | None) -> None:
    assert kubelet(body) == version


def test_nodes_are_counted_by_version() -> None:
    assert kubelets({"b": (1, 33, 7), "a": (1, 29, 0), "c": (1, 33, 7)}) == (
        KubeletFact((1, 29, 0), frozenset({"a"})),
        KubeletFact((1, 33, 7), frozenset({"b", "c"})),
    )


def test_a_namespace_is_what_it_says_to_us_and_about_its_users() -> None:
    marks = {"iam.cloudsql.dev/env": "url", "openshift.io/sa.scc.uid-range": "1/2", "x/y": "z"}

    assert annotations({"metadata": {"name": "n", "annotations": marks}}) == {
        "iam.cloudsql.dev/env": "url",
        "openshift.io/sa.scc.uid-range": "1/2",
    }
    assert annotations({"metadata": {"name": "n"}}) == {}


def test_a_quota_is_what_it_counts() -> None:
    assert quota({"metadata": {"name": "q"}, "spec": {"hard": {"limits.cpu": "4", "pods": "9"}}}) == QuotaFact(
        "q", frozenset({"limits.cpu", "pods"})
    )


def test_a_limit_range_is_its_items_about_containers_and_pods() -> None:
    items = [
        {"type": "Container", "min": {"cpu": "100m"}, "default": {"cpu": 1}, "maxLimitRequestRatio": {"cpu": "2"}},
        {"type": "Pod", "max": {"memory": "1Gi"}},
        {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}},
    ]

    assert limit_range({"metadata": {"name": "l"}, "spec": {"limits": items}}) == (
        LimitRangeFact("l", least={"cpu": "100m"}, limit={"cpu": "1"}, ratio={"cpu": "2"}),
        LimitRangeFact("l", of_pod=True, most={"memory": "1Gi"}),
    )
