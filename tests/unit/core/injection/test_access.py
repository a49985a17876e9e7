"""Who logs in where when the pod says more than a user's name: impersonation, keys, several users, defaults, errors."""

from dataclasses import replace
from typing import Any

import pytest

from cloudsql_iam_operator.api.user import ServiceAccount
from cloudsql_iam_operator.core.injection.facts import Login, NamespaceFact, ServiceAccountFact
from cloudsql_iam_operator.core.injection.outcome import Code, Unchanged
from cloudsql_iam_operator.core.injection.settings import IdentityMode, OnError
from support.podshapes import (
    ACCOUNT,
    CHECKOUT,
    FACTS,
    ORDERS,
    PG,
    SETTINGS,
    container,
    denied,
    environment,
    injected,
    planned,
    pod,
    proxy,
    users,
    warnings,
)

OURS = "checkout@acme-prod.iam.gserviceaccount.com"
OTHER = "other@acme-prod.iam.gserviceaccount.com"
D = "iam.cloudsql.dev/"
ELSEWHERE = replace(ACCOUNT, google_account=OTHER)


def test_a_pod_may_act_as_the_users_account_with_another_of_its_own() -> None:  # 52
    body = injected(pod(annotations={"impersonate": OURS}), users(CHECKOUT, account=ELSEWHERE))

    assert f"--impersonate-service-account={OURS}" in proxy(body)["args"]


def test_a_pod_may_not_act_as_an_account_that_is_not_the_users() -> None:  # 52
    assert denied(pod(annotations={"impersonate": OTHER})) == (
        f"403 {D}impersonate is {OTHER} but CloudSQLIAMUser checkout logs in as {OURS}: set it to that"
    )


def test_a_pod_may_not_act_as_an_account_before_the_users_is_known() -> None:
    fresh = replace(CHECKOUT, member="", username="", login=Login.WAITS)

    assert "is not known yet" in denied(pod(annotations={"impersonate": OTHER}), users(fresh))


@pytest.mark.parametrize(
    ("has", "annotations", "wanted"),
    [
        (("PUBLIC",), {}, "private"),
        (("PUBLIC", "PRIVATE"), {"ip-type": "psc"}, "psc"),
        (("PSC",), {"ip-type": "public"}, "public"),
        (("PUBLIC",), {"ip-type": "auto"}, ""),
        (("PRIVATE",), {}, ""),
        ((), {"ip-type": "psc"}, ""),
    ],
)
def test_an_address_that_the_instance_lacks_is_pointed_out(  # 61
    has: tuple[str, ...], annotations: dict[str, str], wanted: str
) -> None:
    facts = users(replace(CHECKOUT, instance=replace(ORDERS, has=has)))

    there = ", ".join(has).lower()
    expected = (
        f"CloudSQLInstance orders-prod has no {wanted} address, and the proxy dials that: "
        f"set {D}ip-type to what it has ({there}), or ask for ipType in the CloudSQLInstance"
    )
    assert warnings(pod(annotations=annotations), facts) == ((expected,) if wanted else ())


def test_a_key_is_not_compared_with_the_service_account() -> None:
    body = pod(annotations={"credentials-secret": "key"})

    assert environment(injected(body, users(CHECKOUT, account=replace(ACCOUNT, google_account=""))))["PGUSER"]


@pytest.mark.parametrize(
    ("administrator", "by_pod", "wish", "outcome"),
    [
        (IdentityMode.ENFORCE, False, None, "denied"),
        (IdentityMode.ENFORCE, False, "enforce", "denied"),
        (IdentityMode.ENFORCE, False, "warn", "refused"),
        (IdentityMode.ENFORCE, True, "warn", "warned"),
        (IdentityMode.ENFORCE, True, None, "denied"),
        (IdentityMode.WARN, False, None, "warned"),
        (IdentityMode.WARN, False, "warn", "warned"),
        (IdentityMode.WARN, False, "enforce", "denied"),
    ],
)
def test_a_pod_weakens_the_check_only_where_it_may(
    administrator: IdentityMode, by_pod: bool, wish: str | None, outcome: str
) -> None:
    settings = replace(SETTINGS, identity=administrator, identity_by_pod=by_pod)
    body, facts = pod(annotations={"identity-check": wish} if wish else {}), users(CHECKOUT, account=ELSEWHERE)

    match outcome:
        case "warned":
            assert OTHER in warnings(body, facts, settings)[0]
        case "denied":
            assert denied(body, facts, settings).startswith("403 ServiceAccount checkout acts as")
        case _:
            assert denied(body, facts, settings).startswith(f"422 {D}identity-check may not be weakened")


@pytest.mark.parametrize(
    ("administrator", "wish", "skips"),
    [
        (OnError.DENY, None, False),
        (OnError.DENY, "skip", True),
        (OnError.SKIP, None, True),
        (OnError.SKIP, "deny", False),
    ],
)
def test_what_may_pass_by_itself_denies_or_skips(administrator: OnError, wish: str | None, skips: bool) -> None:
    settings = replace(SETTINGS, on_error=administrator)
    body = pod(annotations={"inject": "nobody"} | ({"on-error": wish} if wish else {}))

    outcome = planned(body, settings=settings)

    assert (isinstance(outcome, Unchanged) and outcome.code is Code.SKIPPED) is skips


@pytest.mark.parametrize("annotations", [{"port": "80"}, {"containers": "nobody"}, {"image": "evil.example/x:1"}])
def test_what_only_an_edit_helps_is_never_skipped(annotations: dict[str, str]) -> None:
    assert denied(pod(annotations={"on-error": "skip"} | annotations)).startswith("422 ")


def test_every_one_of_several_users_is_checked() -> None:
    instance = replace(CHECKOUT.instance, connection="p:r:other") if CHECKOUT.instance else None
    stranger = replace(CHECKOUT, name="b", principal=ServiceAccount(OTHER), member=f"serviceAccount:{OTHER}")
    facts = users(CHECKOUT, replace(stranger, instance=instance))

    told = denied(pod(annotations={"inject": "true", "user": "checkout,b"}), facts)

    assert told.startswith(f"403 ServiceAccount checkout acts as {OURS} but CloudSQLIAMUser b logs in as {OTHER}")


def test_instances_alone_ask_for_no_user_and_no_check() -> None:
    body = pod(annotations={"inject": "true", "instances": "p:r:i"})

    assert proxy(injected(body, users(account=ServiceAccountFact("checkout", ""))))["args"][-1] == "p:r:i"


def test_defaults_of_the_namespace_hold_where_the_pod_says_nothing() -> None:
    about = NamespaceFact(annotations={f"{D}cpu-limit": "1", f"{D}env": "url", f"{D}native-sidecar": "false"})
    facts = replace(FACTS, about=about)

    body = injected(pod(annotations={"env": "pg"}), facts)

    assert proxy(body)["resources"]["limits"]["cpu"] == "1"
    assert "PGHOST" in environment(body)
    assert [c["name"] for c in body["spec"]["containers"]] == ["web", "cloudsql-proxy"]


def test_a_default_of_the_namespace_that_the_pod_overrides_is_pointed_out_when_it_cannot_be_meant() -> None:
    facts = replace(FACTS, about=NamespaceFact(annotations={f"{D}cpu-request": "64mb"}))

    (warning,) = warnings(pod(annotations={"cpu-request": "100m"}), facts)

    assert warning == (
        "a default on the Namespace orders would refuse pods that do not say it themselves: "
        f"{D}cpu-request: is '64mb'; write a quantity such as 50m, 0.5, 64Mi or 1G"
    )
    assert f"422 {D}cpu-request of the Namespace: is '64mb'" in denied(pod(), facts)


def test_other_annotations_of_the_namespace_are_pointed_out() -> None:
    facts = replace(FACTS, about=NamespaceFact(annotations={f"{D}user": "admin"}))

    assert warnings(pod(), facts) == (
        f"{D}user on the Namespace orders does nothing there: only defaults for the proxy's form may",
    )


def test_a_user_or_database_of_the_namespace_is_never_a_default() -> None:
    facts = replace(FACTS, about=NamespaceFact(annotations={f"{D}database": "secret", f"{D}impersonate": OTHER}))

    body = injected(pod(), facts)

    assert environment(body)["PGDATABASE"] == "orders"
    assert OTHER not in str(body)


def required(*expressions: dict[str, Any]) -> dict[str, Any]:
    """A pod's spec that only nodes of this kind fit."""
    terms = {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


WINDOWS: list[dict[str, Any]] = [
    {"os": {"name": "windows"}},
    {"nodeSelector": {"kubernetes.io/os": "windows"}},
    {"nodeSelector": {"beta.kubernetes.io/os": "windows"}},
    {"nodeSelector": {"node.kubernetes.io/windows-build": "10.0.20348"}},
    {"runtimeClassName": "windows-2022"},
    required({"key": "kubernetes.io/os", "operator": "NotIn", "values": ["linux"]}),
    required({"key": "node.kubernetes.io/windows-build", "operator": "Exists"}),
    {"initContainers": [container("i", securityContext={"windowsOptions": {"runAsUserName": "x"}})]},
    {"securityContext": {"windowsOptions": {"runAsUserName": "ContainerUser"}}},
    {"containers": [container(securityContext={"windowsOptions": {"hostProcess": False}})]},
    required(
        {"key": "kubernetes.io/os", "operator": "In", "values": ["windows"]},
        {"key": "zone", "operator": "Exists"},
    ),
]


@pytest.mark.parametrize("spec", WINDOWS)
def test_a_windows_pod_is_refused_however_it_says_so(spec: dict[str, Any]) -> None:  # 21
    body = pod()
    body["spec"] |= spec

    assert denied(body) == "422 it is a Windows pod, and the proxy's image is for Linux only"


@pytest.mark.parametrize(
    "spec",
    [
        {"nodeSelector": {"kubernetes.io/os": "linux"}},
        {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}},
        {"securityContext": {"windowsOptions": {}}},
    ],
)
def test_a_linux_pod_is_not_taken_for_another(spec: dict[str, Any]) -> None:
    assert injected(pod(**spec))


def test_line_feeds_that_a_manifest_leaves_behind_mean_nothing() -> None:
    block = {"inject": "checkout\n", "database": "orders\n", "port": "5433\n", "containers": "web\n"}

    assert environment(injected(pod(annotations=block))) == environment(
        injected(pod(annotations={name: value.strip() for name, value in block.items()}))
    )


def test_a_service_account_that_acts_as_nobody_is_told_first_whatever_else_is_not_known() -> None:
    fresh = replace(CHECKOUT, member="", username="", login=Login.WAITS)

    told = denied(pod(), users(fresh, account=replace(ACCOUNT, google_account="")))

    assert told.startswith("403 ServiceAccount checkout acts as no Google account")


@pytest.mark.parametrize(
    "spec",
    [
        {"nodeSelector": {"kubernetes.io/os": "linux"}},
        {"securityContext": {"windowsOptions": {}}},
        required({"key": "kubernetes.io/os", "operator": "In", "values": ["windows", "linux"]}),
        required({"key": "kubernetes.io/os", "operator": "NotIn", "values": ["windows"]}),
        required({"key": "node.kubernetes.io/windows-build", "operator": "DoesNotExist"}),
        {"affinity": None, "nodeSelector": None, "os": None},
    ],
    ids=str,
)
def test_a_pod_that_may_run_on_linux_is_no_windows_pod(spec: dict[str, Any]) -> None:
    assert environment(injected(pod(**spec))) == PG
