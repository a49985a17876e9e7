import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.workloads.network import Ranges
from cloudsql_iam_operator.services.pods.networks import NetworkPolicies
from support.podshapes import pod

RANGES = Ranges(apis=("199.36.153.4/30",), instances=("10.20.0.0/16",))
LABELS = {"app": "web", "tier": "front"}


@dataclass(slots=True)
class Town:
    """The workloads and policies of a cluster, and what was done to them."""

    found: list[dict[str, Any]] = field(default_factory=list)
    stored: list[dict[str, Any]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    written: int = 0
    refused: Mapping[str, str] = field(default_factory=dict)
    """Why nothing can be written, by namespace."""

    def workloads(self, group: str, kind: str) -> Iterable[dict[str, Any]]:
        return [body for body in self.found if body["kind"] == kind]

    def policies(self, namespace: str) -> list[dict[str, Any]]:
        return [p for p in self.stored if p["metadata"]["namespace"] == namespace]

    def labelled(self, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        return [p for p in self.stored if labels.items() <= p["metadata"].get("labels", {}).items()]

    def apply(self, policy: dict[str, Any]) -> str:
        if why := self.refused.get(policy["metadata"]["namespace"]):
            return why
        self.written += 1
        self.stored = [p for p in self.stored if p["metadata"]["name"] != policy["metadata"]["name"]]
        self.stored.append(copy.deepcopy(policy))
        return ""

    def delete(self, policy: dict[str, Any]) -> str:
        if why := self.refused.get(policy["metadata"]["namespace"]):
            return why
        self.written += 1
        self.stored.remove(policy)
        return ""

    def tell(self, namespace: str, about: Mapping[str, Any], reason: str, message: str) -> bool:
        self.told.append(f"{reason} {about['kind']} {namespace}/{about['name']}: {message}")
        return True

    def ours(self) -> list[str]:
        return [p["metadata"]["name"] for p in self.stored if p["metadata"]["name"].startswith("cloudsql-proxy-")]


def deployment(asked: str = "true", labels: Mapping[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    made = pod(annotations={"network-policy": asked})
    template = {"metadata": made["metadata"] | {"labels": dict(LABELS if labels is None else labels)}}
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "orders", "uid": "u-1", **metadata},
        "spec": {"template": template | {"spec": made["spec"]}},
    }


def denying(**selector: Any) -> dict[str, Any]:
    """Somebody else's policy that limits the egress of the pods that it selects."""
    return {
        "metadata": {"name": "default-deny", "namespace": "orders"},
        "spec": {"podSelector": selector, "policyTypes": ["Egress"]},
    }


def rounds(town: Town, count: int = 1) -> None:
    keeper = NetworkPolicies(town, RANGES, lambda: None)
    for _ in range(count):
        keeper.round()


def test_a_workload_that_asks_gets_its_policy_where_egress_is_denied() -> None:
    town = Town([deployment()], [denying()])

    rounds(town)

    (made,) = town.labelled({"app.kubernetes.io/managed-by": "cloudsql-iam-operator"})
    assert made["spec"] == {
        "podSelector": {"matchLabels": LABELS},
        "policyTypes": ["Egress"],
        "egress": [
            {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
            {
                "to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}],
                "ports": [{"port": 80, "protocol": "TCP"}, {"port": 988, "protocol": "TCP"}],
            },
            {
                "to": [{"ipBlock": {"cidr": "169.254.169.252/32"}}],
                "ports": [{"port": 987, "protocol": "TCP"}, {"port": 988, "protocol": "TCP"}],
            },
            {"to": [{"ipBlock": {"cidr": "199.36.153.4/30"}}], "ports": [{"port": 443, "protocol": "TCP"}]},
            {"to": [{"ipBlock": {"cidr": "10.20.0.0/16"}}], "ports": [{"port": 3307, "protocol": "TCP"}]},
        ],
    }
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u-1"


def test_at_rest_nothing_is_written() -> None:
    town = Town([deployment()], [denying()])

    rounds(town, 3)

    assert (town.written, town.told) == (1, [])


def test_a_policy_that_would_be_the_first_is_refused_since_it_cuts_the_application_off() -> None:
    town = Town([deployment()])

    rounds(town)

    assert town.ours() == []
    assert town.told[0].startswith(
        "NetworkPolicyRefused Deployment orders/web: no NetworkPolicy is made for Deployment web: nothing"
    )


ISOLATES = {
    "all pods": ({}, True),
    "its label": ({"matchLabels": {"app": "web"}}, True),
    "another label": ({"matchLabels": {"app": "other"}}, False),
    "in": ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["front", "back"]}]}, True),
    "not in": ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["front"]}]}, False),
    "exists": ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
    "exists not": ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
    "both": ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}, False),
    "unknown": ({"matchExpressions": [{"key": "tier", "operator": "Near"}]}, False),
}


@pytest.mark.parametrize(("selector", "kept"), ISOLATES.values(), ids=ISOLATES)
def test_only_a_policy_that_chooses_these_very_pods_counts(selector: dict[str, Any], kept: bool) -> None:
    town = Town([deployment()], [denying(**selector)])

    rounds(town)

    assert bool(town.ours()) is kept


def test_a_policy_for_ingress_alone_limits_no_egress() -> None:
    other = denying()
    other["spec"]["policyTypes"] = ["Ingress"]
    town = Town([deployment()], [other])

    rounds(town)

    assert town.ours() == []


GOES = {
    "it no longer asks": lambda town: town.found.__setitem__(0, deployment("false")),
    "it is gone": lambda town: town.found.clear(),
    "nothing else limits its pods any more": lambda town: town.stored.pop(0),
}


@pytest.mark.parametrize("change", GOES.values(), ids=GOES)
def test_a_policy_goes_with_its_reason(change: Any) -> None:
    town = Town([deployment()], [denying()])
    rounds(town)
    assert town.ours() == ["cloudsql-proxy-u-1"]

    change(town)
    rounds(town)

    assert town.ours() == []


def test_a_policy_that_somebody_changed_is_put_right() -> None:
    town = Town([deployment()], [denying()])
    rounds(town)
    town.stored[-1]["spec"]["egress"].append({})

    rounds(town)

    assert {} not in town.stored[-1]["spec"]["egress"]


SILENT = {
    "asks for nothing": deployment("false"),
    "is not understood": deployment("perhaps"),
    "belongs to another workload": deployment(ownerReferences=[{"kind": "CronJob", "uid": "x", "controller": True}]),
}


@pytest.mark.parametrize("body", SILENT.values(), ids=SILENT)
def test_a_workload_that_does_not_ask_gets_none(body: dict[str, Any]) -> None:
    town = Town([body], [denying()])

    rounds(town)

    assert (town.ours(), town.told) == ([], [])


def test_pods_without_labels_are_refused_for_the_policy_would_choose_all() -> None:
    town = Town([deployment(labels={})], [denying()])

    rounds(town)

    assert town.ours() == []
    assert "its pods have no labels" in town.told[0]


def test_who_may_no_longer_write_writes_nothing() -> None:
    def lost() -> None:
        raise PermissionError

    town = Town([deployment()], [denying()])
    with pytest.raises(PermissionError):
        NetworkPolicies(town, RANGES, lost).round()

    assert town.written == 0


def test_a_namespace_that_takes_no_policy_keeps_no_other_from_its_own() -> None:
    other = denying()
    other["metadata"]["namespace"] = "shop"
    there = deployment(namespace="shop", uid="u-2")
    town = Town([deployment(), there], [denying(), other], refused={"orders": "the namespace is being terminated"})

    told = NetworkPolicies(town, RANGES, lambda: None).round()

    assert town.ours() == ["cloudsql-proxy-u-2"]
    assert [(one.who.namespace, one.why_not) for one in told] == [
        ("orders", "the namespace is being terminated"),
        ("shop", ""),
    ]
    assert town.told == [
        "NetworkPolicyRefused Deployment orders/web: no NetworkPolicy is made for Deployment web: "
        "the namespace is being terminated"
    ]


def test_a_policy_that_somebody_labelled_as_ours_is_neither_deleted_nor_overlooked() -> None:
    theirs = denying()
    theirs["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "cloudsql-iam-operator"}
    town = Town([deployment()], [theirs])

    rounds(town, 2)

    assert [p["metadata"]["name"] for p in town.stored] == ["default-deny", "cloudsql-proxy-u-1"]


def test_a_policy_of_somebody_else_under_our_name_is_left_alone() -> None:
    theirs = denying()
    theirs["metadata"]["name"] = "cloudsql-proxy-u-1"
    town = Town([deployment()], [denying(), theirs])

    rounds(town)

    assert theirs in town.stored
    assert town.written == 0
    assert town.told[0].endswith("somebody else has made NetworkPolicy cloudsql-proxy-u-1: delete that")


ABSENT = {"key": "legacy", "operator": "DoesNotExist"}
ELSEWHERE = {"key": "zone", "operator": "NotIn", "values": ["dmz"]}
HELD = {"key": "tier", "operator": "In", "values": ["front"]}
NARROWED = {
    "what our labels say already": ([HELD], None),
    "a label that must be absent": ([HELD, ABSENT], [ABSENT]),
    "a value that must be another": ([ELSEWHERE], [ELSEWHERE]),
}


@pytest.mark.parametrize(("expressions", "narrowed"), NARROWED.values(), ids=NARROWED)
def test_pods_with_equal_labels_that_nothing_limits_are_not_chosen(
    expressions: list[dict[str, Any]], narrowed: list[dict[str, Any]] | None
) -> None:
    town = Town([deployment()], [denying(matchExpressions=expressions)])

    rounds(town)

    selector = town.stored[-1]["spec"]["podSelector"]
    assert (selector["matchLabels"], selector.get("matchExpressions")) == (LABELS, narrowed)
