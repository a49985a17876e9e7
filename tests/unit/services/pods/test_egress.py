from typing import Any

import pytest

from cloudsql_iam_operator.api.names import API_VERSION, USER, Key
from cloudsql_iam_operator.core.injection.workloads.network import Asking
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.services.pods.egress import Egress
from cloudsql_iam_operator.services.pods.networks import Told
from cloudsql_iam_operator.services.runtime.registry import Live, Registry

CHECKOUT = Key(USER.name, "orders", "checkout")
OWNER = {"kind": "Deployment", "name": "web"}


def user(**status: Any) -> dict[str, Any]:
    principal = {"kubernetesServiceAccount": {"name": "web"}}
    return {
        "apiVersion": API_VERSION,
        "kind": USER.name,
        "metadata": {
            "name": "checkout",
            "namespace": "orders",
            "uid": "u-1",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"instanceRef": {"name": "orders-prod"}, "principal": principal},
        "status": status,
    }


def known(**status: Any) -> tuple[Egress, Live, list[Key]]:
    """What is known of egress, with one user; and whom it wakes."""
    registry, woken = Registry(), list[Key]()
    registry.put(CHECKOUT, user(**status))
    egress = Egress(registry)
    egress.wake = woken.append
    live = registry.get(CHECKOUT)
    assert live is not None
    return egress, live, woken


def told(why_not: str = "", users: tuple[str, ...] = (), account: str = "web", namespace: str = "orders") -> Told:
    return Told(Asking(namespace, OWNER, {"app": "web"}, users, account), why_not)


def said(egress: Egress, live: Live) -> list[tuple[str, str]]:
    return [(str(finding.reason), finding.message) for finding in egress.findings(live)]


REFUSED = ("NetworkPolicyRefused", "no NetworkPolicy is made for Deployment web: nothing limits its egress")


@pytest.mark.parametrize("users", [(), ("checkout",), ("other", "checkout")])
def test_a_refusal_is_found_at_the_user_of_the_workload(users: tuple[str, ...]) -> None:
    egress, live, woken = known()

    egress.learn([told("nothing limits its egress", users)])

    assert said(egress, live) == [REFUSED]
    assert CHECKOUT in woken


def test_one_refused_workload_counts_more_than_others_that_have_theirs() -> None:
    egress, live, _ = known()

    egress.learn([told(), told("nothing limits its egress"), told()])

    assert said(egress, live) == [REFUSED]


def test_a_policy_that_is_kept_is_told_and_one_that_nobody_asks_for_is_not() -> None:
    egress, live, woken = known()
    egress.learn([told()])
    assert said(egress, live) == [("Succeeded", "the workloads that ask for a NetworkPolicy have theirs")]

    egress.learn([])

    assert said(egress, live) == []
    assert woken == [CHECKOUT, CHECKOUT]


def test_who_stands_as_before_is_not_woken() -> None:
    egress, _, woken = known()

    for _round in range(3):
        egress.learn([told("nothing limits its egress")])

    assert woken == [CHECKOUT]


@pytest.mark.parametrize("of", [told("x", namespace="shop"), told("x", account="other"), told("x", users=("other",))])
def test_a_workload_of_somebody_else_says_nothing_about_a_user(of: Told) -> None:
    egress, live, _ = known()

    egress.learn([of])

    assert said(egress, live) == []


def test_until_the_first_round_the_status_stays_as_it_was() -> None:
    stored = {"type": "NetworkPolicyReady", "status": "False", "reason": REFUSED[0], "message": REFUSED[1]}
    egress, live, _ = known(conditions=[{"type": "Ready", "status": "True", "reason": "Succeeded"}, stored])

    assert said(egress, live) == [REFUSED]
    assert [finding.type for finding in egress.findings(live)] == [ConditionType.NETWORK_POLICY_READY]


def test_a_policy_that_is_refused_keeps_no_user_from_being_ready() -> None:
    egress, live, _ = known()
    egress.learn([told("nothing limits its egress")])

    assert [finding.blocks for finding in egress.findings(live)] == [False]
