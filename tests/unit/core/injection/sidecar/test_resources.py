"""Requests and limits that the namespace's rules let through; or a warning that names the rule that will not."""

from dataclasses import replace
from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.facts import Facts, LimitRangeFact, NamespaceFact, QuotaFact
from support.podshapes import FACTS, IMAGE, SETTINGS, container, injected, pod, proxy, warnings

USUAL = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}


def ruled(*ranges: LimitRangeFact, quota: str = "") -> Facts:
    quotas = (QuotaFact("q", frozenset(quota.split())),) if quota else ()
    return replace(FACTS, about=NamespaceFact(quotas=quotas, ranges=ranges))


def limits(name: str, **values: str) -> LimitRangeFact:
    of: dict[str, Any] = {each: {name: value} for each, value in values.items()}
    return LimitRangeFact("l", **of)


def got(facts: Facts, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, dict[str, str]]:
    body = pod(annotations=annotations, **spec)
    found: dict[str, dict[str, str]] = proxy(injected(body, facts))["resources"]
    return found


@pytest.mark.parametrize(
    ("facts", "requests", "bounds"),
    [
        (FACTS, USUAL["requests"], USUAL["limits"]),
        (ruled(quota="requests.cpu requests.memory"), USUAL["requests"], USUAL["limits"]),
        (ruled(quota="limits.cpu limits.memory"), USUAL["requests"], {"cpu": "500m", "memory": "256Mi"}),
        (
            ruled(quota="requests.ephemeral-storage limits.ephemeral-storage"),
            {**USUAL["requests"], "ephemeral-storage": "32Mi"},
            {**USUAL["limits"], "ephemeral-storage": "128Mi"},
        ),
        (ruled(limits("cpu", least="100m")), {"cpu": "100m", "memory": "64Mi"}, USUAL["limits"]),
        (ruled(limits("memory", most="200Mi")), USUAL["requests"], {"memory": "200Mi"}),
        (ruled(limits("memory", most="32Mi")), {"cpu": "50m", "memory": "32Mi"}, {"memory": "32Mi"}),
        (ruled(limits("memory", least="512Mi")), {"cpu": "50m", "memory": "512Mi"}, {"memory": "512Mi"}),
        (ruled(limits("memory", ratio="2")), {"cpu": "50m", "memory": "128Mi"}, USUAL["limits"]),
        (ruled(limits("memory", ratio="3")), {"cpu": "50m", "memory": "89478486"}, USUAL["limits"]),
        (
            ruled(replace(limits("cpu", most="1"), ratio={"cpu": "1500m"})),
            {"cpu": "667m", "memory": "64Mi"},
            {"cpu": "1", "memory": "256Mi"},
        ),
        (ruled(limits("cpu", limit="40m")), {"cpu": "40m", "memory": "64Mi"}, {"cpu": "40m", "memory": "256Mi"}),
        (ruled(limits("cpu", most="1")), USUAL["requests"], {"cpu": "1", "memory": "256Mi"}),
    ],
)
def test_resources_bend_to_the_namespaces_rules(
    facts: Facts, requests: dict[str, str], bounds: dict[str, str]
) -> None:  # 72
    assert got(facts) == {"requests": requests, "limits": bounds}
    assert warnings(pod(), facts) == ()


@pytest.mark.parametrize(
    ("facts", "annotations", "told"),
    [
        (ruled(limits("cpu", least="100m")), {"cpu-request": "50m"}, "cpu of a container is at least 100m, and the"),
        (ruled(limits("memory", most="200Mi")), {"memory-limit": "256Mi"}, "memory of a container is at most 200Mi"),
        (ruled(limits("memory", most="200Mi")), {"memory-limit": "0"}, "memory of a container is at most 200Mi"),
        (ruled(limits("memory", ratio="2")), {"memory-request": "64Mi"}, "the limit of memory is at most 2 times"),
    ],
)
def test_what_the_pod_says_is_not_bent_but_told(facts: Facts, annotations: dict[str, str], told: str) -> None:
    (warning,) = warnings(pod(annotations=annotations), facts)

    assert warning.startswith(f"LimitRange l will refuse the pod: {told}")


def test_a_rule_for_the_whole_pod_counts_all_its_containers() -> None:
    facts = ruled(LimitRangeFact("l", of_pod=True, most={"cpu": "220m"}))
    beside = container(resources={"requests": {"cpu": "200m"}, "limits": {"cpu": "200m"}})

    assert warnings(pod(beside), facts) == (
        "LimitRange l will refuse the pod: requests of cpu of a pod are at most 220m, and with the proxy's 50m they "
        "are 250m",
    )
    assert warnings(pod(), facts) == ()


@pytest.mark.parametrize(
    ("whole", "resources"),
    [
        (
            {"limits": {"memory": "128Mi", "cpu": "1"}},
            {"requests": USUAL["requests"], "limits": {"memory": "128Mi"}},
        ),
        (
            {"limits": {"memory": "512Mi", "cpu": "1"}, "requests": {"memory": "100Mi", "cpu": "100m"}},
            USUAL,
        ),
        (
            {"limits": {"memory": "512Mi", "cpu": "1"}, "requests": {"memory": "32Mi", "cpu": "20m"}},
            {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        ),
    ],
)
def test_resources_fit_into_those_of_the_pod_as_a_whole(whole: Any, resources: Any) -> None:  # 29
    assert got(FACTS, resources=whole) == resources
    assert warnings(pod(resources=whole)) == ()


def test_containers_share_what_the_pod_requests_as_a_whole() -> None:  # 29
    beside = container(resources={"requests": {"memory": "90Mi"}})
    body = pod(beside, resources={"requests": {"memory": "100Mi"}})

    assert proxy(injected(body))["resources"]["requests"]["memory"] == "10Mi"


def test_a_limit_above_the_pods_own_is_told() -> None:  # 29
    body = pod(annotations={"memory-limit": "256Mi"}, resources={"limits": {"memory": "128Mi"}})

    assert warnings(body) == ("spec.resources of the pod limits memory to 128Mi, less than the proxy's 256Mi",)


@pytest.mark.parametrize(
    ("defaults", "annotations", "resources"),
    [
        ({"memory-request": "512Mi"}, {"memory-limit": "128Mi"}, {"memory": ("64Mi", "128Mi")}),
        ({"memory-limit": "128Mi"}, {"memory-request": "512Mi"}, {"memory": ("512Mi", "512Mi")}),
        ({"memory-request": "96Mi"}, {"memory-limit": "128Mi"}, {"memory": ("96Mi", "128Mi")}),
    ],
)
def test_a_default_of_the_namespace_gives_way_to_what_the_pod_says(
    defaults: dict[str, str], annotations: dict[str, str], resources: dict[str, tuple[str, str]]
) -> None:
    about = NamespaceFact({f"iam.cloudsql.dev/{name}": value for name, value in defaults.items()})

    found = got(replace(FACTS, about=about), annotations)

    assert {name: (found["requests"][name], found["limits"][name]) for name in resources} == resources


def test_the_administrator_sets_limits_for_pods_that_say_none() -> None:
    settings = replace(SETTINGS, cpu_limit="250m", memory_limit="128Mi", storage_limit="64Mi")

    assert proxy(injected(pod(), settings=settings))["resources"]["limits"] == {
        "cpu": "250m",
        "memory": "128Mi",
        "ephemeral-storage": "64Mi",
    }
    said = proxy(injected(pod(annotations={"cpu-limit": "0"}), settings=settings))["resources"]["limits"]
    assert "cpu" not in said


def test_rules_change_nothing_for_a_pod_that_has_its_proxy() -> None:
    body = injected(pod())

    assert warnings(body, ruled(limits("memory", most="200Mi"))) == (
        f"container cloudsql-proxy was injected with other settings ({IMAGE}) and stays as it is",
    )
