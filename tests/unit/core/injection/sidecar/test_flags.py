"""Flags that annotations ask for, what they need of the proxy, and what the administrator has to allow."""

from dataclasses import replace
from typing import Any

import pytest

from support.podshapes import SETTINGS, denied, injected, pod, proxy, warnings

IMAGE = "gcr.io/cloud-sql-connectors/cloud-sql-proxy"
DIGEST = f"{IMAGE}@sha256:{'0' * 64}"
OPEN = replace(SETTINGS, extra_args=True, endpoints=("https://sqladmin.example/", "example.goog"))


def arguments(settings: Any = SETTINGS, **annotations: str) -> list[str]:
    named = {name.replace("_", "-"): value for name, value in annotations.items()}
    found: list[str] = proxy(injected(pod(annotations=named), settings=settings))["args"]
    return found


@pytest.mark.parametrize(
    ("name", "value", "flags"),
    [
        ("lazy_refresh", "true", ["--lazy-refresh"]),
        ("lazy_refresh", "false", []),
        ("max_connections", "10", ["--max-connections=10"]),
        ("min_sigterm_delay", "1m", ["--min-sigterm-delay=60s"]),
        ("max_sigterm_delay", "20s", ["--max-sigterm-delay=20s"]),
        ("run_connection_test", "true", ["--run-connection-test"]),
        ("quiet", "true", ["--quiet"]),
        ("debug_logs", "yes", ["--debug-logs"]),
        ("telemetry_project", "acme", ["--telemetry-project=acme"]),
        ("telemetry_sample_rate", "5", ["--telemetry-sample-rate=5"]),
        ("telemetry_prefix", "app", ["--telemetry-prefix=app"]),
        ("disable_traces", "true", ["--disable-traces"]),
        ("disable_metrics", "true", ["--disable-metrics"]),
        ("quota_project", "acme", ["--quota-project=acme"]),
        ("sql_admin_api_endpoint", "https://sqladmin.example/", ["--sqladmin-api-endpoint=https://sqladmin.example/"]),
        ("universe_domain", "example.goog", ["--universe-domain=example.goog"]),
        ("extra_args", '["--resource-exhausted-cooldown-delay=5s"]', ["--resource-exhausted-cooldown-delay=5s"]),
        ("ip_type", "auto", ["--auto-ip"]),
        ("auto_iam_authn", "false", []),
        ("prometheus", "true", ["--http-address=0.0.0.0", "--prometheus"]),
        ("prometheus", "9100", ["--http-address=0.0.0.0", "--http-port=9100", "--prometheus"]),
        ("readiness_probe", "true", ["--http-address=0.0.0.0"]),
        ("http_port", "9900", ["--http-port=9900"]),
        ("admin_port", "9099", ["--quitquitquit", "--admin-port=9099"]),
    ],
)
def test_an_annotation_becomes_its_flag(name: str, value: str, flags: list[str]) -> None:
    usual = set(arguments(OPEN))

    assert [flag for flag in arguments(OPEN, **{name: value}) if flag not in usual] == sorted(flags, key=flags.index)


def test_iam_login_can_be_left_to_the_application() -> None:
    assert "--auto-iam-authn" in arguments()
    assert "--auto-iam-authn" not in arguments(auto_iam_authn="false")


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        ({"sql-admin-api-endpoint": "https://evil.example/"}, "the administrator allows none"),
        ({"universe-domain": "evil.example"}, "the administrator allows none"),
        ({"extra-args": '["--verbose"]'}, "extra-args is switched off by the administrator"),
    ],
)
def test_what_sends_tokens_elsewhere_has_to_be_allowed(annotations: dict[str, str], told: str) -> None:
    assert told in denied(pod(annotations=annotations))


@pytest.mark.parametrize(
    "flag",
    [
        "--token=x",
        "--auto-iam-authn=false",
        "--address=0.0.0.0",
        "--debug",
        "--config-file=/x",
        "--lazy-refresh",
        "--static-connection-info=/x",
    ],
)
def test_flags_that_are_set_here_cannot_be_added(flag: str) -> None:
    told = denied(pod(annotations={"extra-args": f'["{flag}"]'}), settings=OPEN)

    assert f"extra-args may not hold {flag.partition('=')[0]}, which" in told


@pytest.mark.parametrize(
    ("image", "annotations", "told"),
    [
        (f"{IMAGE}:2.10.1", {"lazy-refresh": "true"}, "iam.cloudsql.dev/lazy-refresh needs a proxy of 2.11.0 or newer"),
        (f"{IMAGE}:2.11.9", {"min-sigterm-delay": "1s"}, "min-sigterm-delay needs a proxy of 2.12.0 or newer"),
        (f"{IMAGE}:2.14.0", {"inject": "true", "instances": "db.acme.example"}, "an instance by a DNS name needs a"),
        (
            f"{IMAGE}:2.21.0-alpine",
            {"impersonate": "checkout@acme-prod.iam.gserviceaccount.com"},
            "IAM login with iam.cloudsql.dev/impersonate needs a proxy of 2.21.1 or newer, and",
        ),
    ],
)
def test_an_image_that_is_too_old_for_a_wish_is_refused(image: str, annotations: dict[str, str], told: str) -> None:
    assert told in denied(pod(annotations={"image": image} | annotations))


def test_an_image_without_a_version_is_told_what_it_needs() -> None:
    body = pod(annotations={"image": DIGEST, "lazy-refresh": "true"})

    assert warnings(body) == (
        f"the version of {DIGEST} is not known, as its tag names none: iam.cloudsql.dev/lazy-refresh needs 2.11.0 or "
        "newer",
    )
    assert warnings(pod(annotations={"image": DIGEST})) == ()
    assert warnings(pod(annotations={"image": DIGEST, "lazy-refresh": "false"})) == ()


def test_a_wish_that_is_switched_off_needs_nothing() -> None:
    assert arguments(image=f"{IMAGE}:2.8.0", lazy_refresh="false")


@pytest.mark.parametrize("name", ["min-sigterm-delay", "max-sigterm-delay"])
def test_a_delay_beyond_the_pods_grace_is_pointed_out(name: str) -> None:  # 67
    body = pod(annotations={name: "30s"}, terminationGracePeriodSeconds=5)

    assert warnings(body) == (
        f"iam.cloudsql.dev/{name} is 30s, and the pod is killed 5s after SIGTERM: raise its grace",
    )


def test_the_account_to_act_as_comes_first_and_then_those_between() -> None:
    body = pod(
        annotations={
            "impersonate": "Checkout@acme-prod.iam.gserviceaccount.com",
            "impersonate-delegates": "b@p.iam.gserviceaccount.com,c@p.iam.gserviceaccount.com",
        }
    )

    assert (
        "--impersonate-service-account=checkout@acme-prod.iam.gserviceaccount.com,b@p.iam.gserviceaccount.com,"
        "c@p.iam.gserviceaccount.com"
    ) in proxy(injected(body))["args"]


@pytest.mark.parametrize(
    ("asked", "held"), [("port", "http-port"), ("http-port", "admin-port"), ("prometheus", "port")]
)
def test_ports_that_are_asked_for_twice_are_refused(asked: str, held: str) -> None:
    assert "uses: choose another port" in denied(pod(annotations={asked: "7000", held: "7000"}))
