import pytest

from cloudsql_iam_operator.core.injection.settings import IdentityMode, InjectionSettings, OnError
from cloudsql_iam_operator.webhook.settings import BadSetting, Place, from_environment

CHART = {"POD_NAMESPACE": "csql", "WEBHOOK_SERVICE": "csql-webhook"}


def test_two_variables_are_enough() -> None:
    settings = from_environment(CHART)

    assert settings.place == Place("csql", "csql-webhook", "csql-webhook-tls", "csql-webhook")
    assert (settings.port, settings.metrics_port, settings.drain) == (10250, 9402, 5.0)
    assert settings.injection.image == "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.27.0"
    assert settings.injection.identity is IdentityMode.ENFORCE


def test_the_service_is_called_by_its_cluster_names() -> None:
    assert from_environment(CHART).place.dns_names == ("csql-webhook.csql.svc", "csql-webhook.csql.svc.cluster.local")


def test_the_administrators_image_is_always_allowed() -> None:
    settings = from_environment(CHART | {"PROXY_IMAGE": "mirror.acme.example/proxy:2.27.0"})

    assert settings.injection.allowed_images[0] == "mirror.acme.example/proxy"


def test_a_list_of_allowed_images_replaces_googles() -> None:
    settings = from_environment(CHART | {"PROXY_IMAGES_ALLOWED": "a.example/x, b.example/"})

    assert settings.injection.allowed_images == ("a.example/x", "b.example/")


def test_the_chart_decides_about_every_proxy() -> None:
    injection = from_environment(
        CHART
        | {
            "IDENTITY_CHECK": "warn",
            "IDENTITY_CHECK_BY_POD": "true",
            "ON_ERROR": "skip",
            "PROXY_CREDENTIALS_SECRETS": "false",
            "PROXY_ENDPOINTS_ALLOWED": "https://a.example/, b.goog",
            "PROXY_EXTRA_ARGS": "true",
            "PROXY_PULL_SECRETS": "mirror",
            "PROXY_METADATA_HOST": "169.254.169.254",
            "PROXY_HTTPS_PROXY": "http://squid:3128",
            "PROXY_NO_PROXY": "",
            "PROXY_CPU_LIMIT": "1",
            "PROXY_MEMORY_LIMIT": "",
            "PROXY_EPHEMERAL_STORAGE_LIMIT": "128Mi",
        }
    ).injection

    assert injection == InjectionSettings(
        image="gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.27.0",
        identity=IdentityMode.WARN,
        identity_by_pod=True,
        on_error=OnError.SKIP,
        credentials_secrets=False,
        endpoints=("https://a.example/", "b.goog"),
        extra_args=True,
        pull_secrets=("mirror",),
        environment=(("HTTPS_PROXY", "http://squid:3128"),),
        metadata_host="169.254.169.254",
        cpu_limit="1",
        memory_limit="256Mi",
        storage_limit="128Mi",
    )


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("POD_NAMESPACE", "", "POD_NAMESPACE is not set; it must name the namespace of this pod"),
        ("WEBHOOK_SERVICE", "", "WEBHOOK_SERVICE is not set; it must name the Service that the API server calls"),
        ("WEBHOOK_PORT", "0", "WEBHOOK_PORT is '0'; it must be a number from 1 to 65535"),
        ("METRICS_PORT", "x", "METRICS_PORT is 'x'; it must be a number from 1 to 65535"),
        ("WEBHOOK_DRAIN_SECONDS", "90", "WEBHOOK_DRAIN_SECONDS is '90'; it must be a number from 0 to 25"),
        ("IDENTITY_CHECK", "off", "IDENTITY_CHECK is 'off'; it must be enforce or warn"),
        ("ON_ERROR", "ignore", "ON_ERROR is 'ignore'; it must be deny or skip"),
        ("PROXY_EXTRA_ARGS", "1", "PROXY_EXTRA_ARGS is '1'; it must be true or false"),
        ("PROXY_PULL_SECRETS", "a,B", "PROXY_PULL_SECRETS has 'B'; it must list names of Secrets"),
        ("PROXY_CPU_LIMIT", "1cpu", "PROXY_CPU_LIMIT is '1cpu'; it must be a quantity such as 500m or 256Mi"),
        (
            "PROXY_IMAGE",
            "a b",
            "PROXY_IMAGE is 'a b'; it must be an image such as gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.27.0",
        ),
    ],
)
def test_a_variable_that_cannot_be_understood_is_named(variable: str, value: str, told: str) -> None:
    with pytest.raises(BadSetting) as raised:
        from_environment(CHART | {variable: value})

    assert str(raised.value) == told
