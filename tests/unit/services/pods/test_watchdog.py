from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloudsql_iam_operator.services.pods.watchdog import MOST_RESTARTS, Count, Rules, Watchdog
from support.podshapes import FACTS, IMAGE, SETTINGS, injected, pod, users

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
REPORT, RESTART = Rules(restart=False, every=60), Rules(restart=True, every=60)


@dataclass(slots=True)
class Ward:
    """The pods of a cluster, what was told of them, and who was made again."""

    pods: dict[str, dict[str, Any]]
    told: list[str] = field(default_factory=list)
    evicted: list[str] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    budget: bool = True
    out: frozenset[str] = frozenset()

    def opted_out(self) -> frozenset[str]:
        return self.out

    def metadata(self) -> Iterable[dict[str, Any]]:
        return [body["metadata"] for body in self.pods.values()]

    def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        self.looked.append(name)
        return self.pods.get(name)

    def tell(self, metadata: dict[str, Any], reason: str, message: str) -> bool:
        self.told.append(f"{metadata['name']} {reason}: {message}")
        return True

    def evict(self, metadata: dict[str, Any]) -> bool:
        if self.budget:
            self.evicted.append(metadata["name"])
        return self.budget


def running(name: str = "web-1", *, owner: str = "rs-1", kind: str = "ReplicaSet", **changes: Any) -> dict[str, Any]:
    """A pod that runs for an hour without the proxy that it asks for."""
    made = pod(**changes.pop("spec", {}))
    made["metadata"] |= {"name": name, "namespace": "orders", "uid": f"uid-{name}"}
    made["metadata"]["creationTimestamp"] = f"{(NOW - timedelta(hours=1)).isoformat()[:19]}Z"
    if owner:
        made["metadata"]["ownerReferences"] = [{"kind": kind, "name": "web", "uid": owner, "controller": True}]
    made["metadata"] |= changes.pop("metadata", {})
    return made | {"status": {"phase": "Running"}} | changes


def ward(*pods: dict[str, Any]) -> Ward:
    return Ward({body["metadata"]["name"]: body for body in pods})


def watchdog(over: Ward, facts: Any = FACTS, ready: bool = True) -> Watchdog:
    return Watchdog(over, lambda _namespace, _account: facts, lambda: ready, SETTINGS)


def test_a_pod_without_its_proxy_is_told_and_left_running() -> None:
    over = ward(running())

    assert watchdog(over).round(REPORT, NOW) == Count(missing=1)
    assert over.told == [
        "web-1 ProxyMissing: it asks for a proxy and was made while no webhook answered: "
        "it gets the proxy when it is made again"
    ]
    assert over.evicted == []


def test_it_is_made_again_when_that_is_wanted() -> None:
    over = ward(running())

    assert watchdog(over).round(RESTART, NOW) == Count(missing=1, restarted=1)
    assert over.evicted == ["web-1"]


def fine(body: dict[str, Any]) -> dict[str, Any]:
    return injected(body) | {"status": {"phase": "Running"}}


PLAIN = running()
PLAIN["metadata"]["annotations"] = {"example.com/inject": "x"}
NOTHING_MISSING = {
    "injected": fine(running()),
    "asks for nothing": PLAIN,
    "opted out": running(metadata={"annotations": {"iam.cloudsql.dev/inject": "false"}}),
    "over": running(status={"phase": "Succeeded"}),
    "failed": running(status={"phase": "Failed"}),
    "going": running(metadata={"deletionTimestamp": "2026-11-26T11:59:00Z"}),
    "new": running(metadata={"creationTimestamp": "2026-11-26T11:59:30Z"}),
    "of a kubelet's file": running(
        metadata={"annotations": {"iam.cloudsql.dev/inject": "checkout", "kubernetes.io/config.mirror": "x"}}
    ),
    "another proxy": running(
        spec={
            "initContainers": [
                {"name": "p", "image": IMAGE, "args": ["acme-prod:europe-west1:orders"], "restartPolicy": "Always"}
            ]
        }
    ),
}


@pytest.mark.parametrize("body", NOTHING_MISSING.values(), ids=NOTHING_MISSING)
def test_a_pod_that_misses_nothing_is_left_in_peace(body: dict[str, Any]) -> None:
    over = ward(body)

    assert watchdog(over).round(RESTART, NOW) == Count()
    assert (over.told, over.evicted) == ([], [])


TOLD_ONLY = {
    "nobody makes it again": (running(owner=""), "delete it and make it again"),
    "it runs once": (running(spec={"restartPolicy": "Never"}), "run its Job again"),
    "it is a Job's": (running(kind="Job"), "run its Job again"),
}


@pytest.mark.parametrize(("body", "says"), TOLD_ONLY.values(), ids=TOLD_ONLY)
def test_a_pod_that_would_be_lost_is_only_told(body: dict[str, Any], says: str) -> None:
    over = ward(body)

    assert watchdog(over).round(RESTART, NOW) == Count(missing=1)
    assert over.told[0].endswith(says)
    assert over.evicted == []


def test_a_pod_that_would_be_refused_is_told_why_and_goes_on_running() -> None:
    over = ward(running())

    assert watchdog(over, users()).round(RESTART, NOW) == Count(missing=1)
    assert "would be refused now" in over.told[0]
    assert over.evicted == []


def test_no_pod_is_made_again_while_it_would_not_be_seen() -> None:
    over = ward(running())

    assert watchdog(over, ready=False).round(RESTART, NOW) == Count(missing=1)
    assert over.evicted == []


def test_a_budget_is_respected_and_the_pod_is_tried_again() -> None:
    over = ward(running())
    dog = watchdog(over)
    over.budget = False
    assert dog.round(RESTART, NOW) == Count(missing=1)

    over.budget = True
    assert dog.round(RESTART, NOW) == Count(missing=1, restarted=1)


def test_a_fleet_does_not_go_down_at_once() -> None:
    over = ward(*(running(f"web-{n}") for n in range(MOST_RESTARTS + 3)))

    assert watchdog(over).round(RESTART, NOW) == Count(missing=MOST_RESTARTS + 3, restarted=MOST_RESTARTS)


def test_a_pod_that_comes_back_without_its_proxy_is_not_made_again_for_ever() -> None:
    over = ward(running("web-1"), running("web-2"))
    dog = watchdog(over)
    assert dog.round(RESTART, NOW).restarted == 2
    later = NOW + timedelta(minutes=5)
    again = running("web-3", metadata={"creationTimestamp": f"{NOW.isoformat()[:19]}Z"})
    over.pods = {"web-3": again}

    assert dog.round(RESTART, later) == Count(missing=1)
    assert over.evicted == ["web-1", "web-2"]


def test_only_pods_that_nobody_saw_are_read_whole() -> None:
    over = ward(fine(running("web-1")), running("web-2"), PLAIN | {"metadata": PLAIN["metadata"] | {"name": "web-3"}})

    watchdog(over).round(REPORT, NOW)

    assert over.looked == ["web-2"]


def test_a_namespace_that_the_webhook_leaves_out_misses_nothing() -> None:
    over = ward(running())

    assert watchdog(over).round(Rules(True, 60, frozenset({"orders"})), NOW) == Count()


@pytest.mark.parametrize(("image", "asked", "old"), [(IMAGE, {}, 0), ("x/proxy:2.1.0", {}, 1)])
def test_a_sidecar_with_an_image_of_before_is_counted(image: str, asked: dict[str, str], old: int) -> None:
    body = fine(running())
    marks = body["metadata"]["annotations"]
    marks["iam.cloudsql.dev/status"] = marks["iam.cloudsql.dev/status"].replace(IMAGE, image)

    assert watchdog(ward(body)).round(REPORT, NOW) == Count(outdated=old)


def test_a_sidecar_with_the_image_that_its_pod_asked_for_is_not_outdated() -> None:
    body = fine(running())
    marks = body["metadata"]["annotations"]
    marks["iam.cloudsql.dev/status"] = marks["iam.cloudsql.dev/status"].replace(IMAGE, "x/proxy:2.1.0")
    marks["iam.cloudsql.dev/image"] = "x/proxy:2.1.0"

    assert watchdog(ward(body)).round(REPORT, NOW) == Count()


def test_a_namespace_that_opts_out_misses_nothing() -> None:
    over = ward(running())
    over.out = frozenset({"orders"})

    assert watchdog(over).round(RESTART, NOW) == Count()
    assert (over.told, over.evicted) == ([], [])


def test_a_pod_that_names_a_controller_of_another_namespace_costs_that_nothing() -> None:
    over = ward(running("forged", metadata={"namespace": "elsewhere"}))
    dog = watchdog(over)
    dog.round(RESTART, NOW)
    over.pods.clear()
    over.pods["honest"] = running("honest", metadata={"creationTimestamp": "2026-11-26T12:01:00Z"})

    dog.round(RESTART, NOW + timedelta(minutes=5))

    assert over.evicted == ["forged", "honest"]
