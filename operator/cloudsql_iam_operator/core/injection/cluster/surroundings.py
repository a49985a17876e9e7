"""From Namespaces, their rules and Services, and nodes, as the API server hands them out, to facts for the planner."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cloudsql_iam_operator.api.annotations import PREFIX
from cloudsql_iam_operator.core.injection.facts import (
    KubeletFact,
    LimitRangeFact,
    NamespaceFact,
    QuotaFact,
    ServiceFact,
)

PLATFORM = "openshift.io/"
"""How annotations begin by which a platform says what pods of a Namespace run as."""

OS_LABEL = "kubernetes.io/os"

Version = tuple[int, int, int]


def annotations(body: Mapping[str, Any]) -> Mapping[str, str]:
    """Annotations of a Namespace, but for those that mean nothing here."""
    found = body["metadata"].get("annotations") or {}
    return {name: value for name, value in found.items() if name.startswith((PREFIX, PLATFORM))}


def quota(body: Mapping[str, Any]) -> QuotaFact:
    """A ResourceQuota. One for some pods only is taken to be for all: what it asks for harms no other."""
    return QuotaFact(body["metadata"]["name"], frozenset((body.get("spec") or {}).get("hard") or ()))


def limit_range(body: Mapping[str, Any]) -> tuple[LimitRangeFact, ...]:
    """The items of a LimitRange that are about containers or pods."""
    items = (body.get("spec") or {}).get("limits") or ()
    return tuple(_item(body["metadata"]["name"], one) for one in items if one.get("type") in ("Container", "Pod"))


def service(body: Mapping[str, Any]) -> ServiceFact:
    """A Service; what is none of an API server's leads nowhere."""
    spec = body.get("spec")
    found = spec if isinstance(spec, dict) else {}
    selector, ports = found.get("selector"), found.get("ports")
    targets = (
        one.get("targetPort", one.get("port"))
        for one in (ports if isinstance(ports, list) else ())
        if isinstance(one, dict)
    )
    return ServiceFact(
        name=body["metadata"]["name"],
        selector=selector if isinstance(selector, dict) else {},
        targets=frozenset(map(str, targets)),
    )


def kubelet(body: Mapping[str, Any]) -> Version | None:
    """Version of the kubelet of a Node; None for one that no new pod comes to, or that does not run Linux."""
    labels, status = body["metadata"].get("labels") or {}, body.get("status") or {}
    if (body.get("spec") or {}).get("unschedulable") or labels.get(OS_LABEL, "linux") != "linux":
        return None
    return _version((status.get("nodeInfo") or {}).get("kubeletVersion") or "")


def about(
    marks: Mapping[str, str], quotas: Iterable[QuotaFact], ranges: Iterable[tuple[LimitRangeFact, ...]]
) -> NamespaceFact:
    """All that a namespace says about its pods, the same for the same."""
    items = (item for items in ranges for item in items)
    return NamespaceFact(
        marks,
        tuple(sorted(quotas, key=lambda each: each.name)),
        tuple(sorted(items, key=lambda each: (each.name, each.of_pod))),
    )


def kubelets(versions: Mapping[str, Version]) -> tuple[KubeletFact, ...]:
    """Kubelets by version, oldest first; `versions` are those of the nodes by name."""
    nodes: dict[Version, set[str]] = {}
    for node, version in versions.items():
        nodes.setdefault(version, set()).add(node)
    return tuple(KubeletFact(version, frozenset(nodes[version])) for version in sorted(nodes))


def _item(name: str, one: Mapping[str, Any]) -> LimitRangeFact:
    return LimitRangeFact(
        name=name,
        of_pod=one["type"] == "Pod",
        least=_texts(one.get("min")),
        most=_texts(one.get("max")),
        limit=_texts(one.get("default")),
        ratio=_texts(one.get("maxLimitRequestRatio")),
    )


def _texts(quantities: Mapping[str, Any] | None) -> Mapping[str, str]:
    """Quantities by resource; people write numbers too."""
    return {name: str(value) for name, value in (quantities or {}).items()}


def _version(text: str) -> Version | None:
    """Major, minor and patch of `v1.33.7-gke.1000`; None for what is no version."""
    numbers = tuple(_leading(text.removeprefix("v")))
    return numbers if len(numbers) == 3 else None


def _leading(text: str) -> Iterator[int]:
    for part in text.split(".")[:3]:
        digits = part.partition("-")[0].partition("+")[0]
        if digits.isascii() and digits.isdecimal() and len(digits) <= 6:
            yield int(digits)
