"""How the chart hands the operator its Google identity, as helm renders it."""

import subprocess
from typing import Any

import yaml

from controlplane import binaries
from support.webhookparts.site import CHART


def operator_pod(*settings: str) -> dict[str, Any]:
    helm = str(binaries.ensure(print).helm)
    command = [helm, "template", "csql", str(CHART), *(word for each in settings for word in ("--set", each))]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    objects: list[dict[str, Any]] = [one for one in yaml.safe_load_all(rendered.stdout) if one]
    (deployment,) = [
        one
        for one in objects
        if one["kind"] == "Deployment"
        and one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] == "operator"
    ]
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return pod


def environment(pod: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in pod["containers"][0]["env"] if "value" in each}


def test_by_default_nothing_is_said_of_credentials_and_addresses() -> None:
    told = environment(operator_pod())

    assert not any("GOOGLE" in name or "ENDPOINT" in name for name in told)


def test_every_address_and_setting_reaches_the_operator() -> None:
    told = environment(
        operator_pod(
            "endpoints.sqlAdmin=https://sqladmin.acme.internal",
            "endpoints.oauthToken=https://oauth2.acme.internal/token",
            "endpoints.stsToken=https://sts.acme.internal/v1/token",
            "operator.quotaProject=acme-quota",
            "operator.universeDomain=example.goog",
        )
    )

    assert {name: value for name, value in told.items() if "GOOGLE" in name or "ENDPOINT" in name} == {
        "SQLADMIN_ENDPOINT": "https://sqladmin.acme.internal",
        "OAUTH_TOKEN_ENDPOINT": "https://oauth2.acme.internal/token",
        "STS_TOKEN_ENDPOINT": "https://sts.acme.internal/v1/token",
        "GOOGLE_CLOUD_QUOTA_PROJECT": "acme-quota",
        "GOOGLE_CLOUD_UNIVERSE_DOMAIN": "example.goog",
    }


def test_a_federation_is_mounted_with_a_token_for_its_audience() -> None:
    pod = operator_pod("operator.credentials.secret=google", "operator.credentials.tokenAudience=//iam.example/pool")

    assert environment(pod)["GOOGLE_APPLICATION_CREDENTIALS"] == "/var/run/google/credentials.json"
    assert {"name": "google", "mountPath": "/var/run/google", "readOnly": True} in pod["containers"][0]["volumeMounts"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "google"]
    assert volume["projected"]["sources"] == [
        {"secret": {"name": "google", "items": [{"key": "credentials.json", "path": "credentials.json"}]}},
        {"serviceAccountToken": {"path": "token", "audience": "//iam.example/pool", "expirationSeconds": 3600}},
    ]


def test_the_web_proxy_of_proxies_is_the_operators_too_but_for_the_api_server() -> None:
    alone = environment(operator_pod("webhook.proxy.httpsProxy=http://squid:3128"))
    beside = environment(operator_pod("webhook.proxy.httpsProxy=http://squid:3128", "webhook.proxy.noProxy=.acme.com"))

    assert alone["HTTPS_PROXY"] == "http://squid:3128"
    assert alone["NO_PROXY"] == "$(KUBERNETES_SERVICE_HOST)"
    assert beside["NO_PROXY"] == "$(KUBERNETES_SERVICE_HOST),.acme.com"
    assert not any("PROXY" in name for name in environment(operator_pod("webhook.proxy.noProxy=.acme.com")))
