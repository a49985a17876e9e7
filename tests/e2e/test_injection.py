"""What the webhook answers on the chain: wrong identities, annotations that mean nothing, pods that are not ours."""

import re
from collections.abc import Iterator

import pytest

from e2e import world
from e2e.scenes import Stage, pod_under
from e2e.tenant import Tenant

WEBHOOK = "cloudsql-iam-operator-webhook"
INJECT = "iam.cloudsql.dev/inject"


@pytest.fixture
def injected(tenant: Tenant) -> Tenant:
    """A tenant with a user that is Ready, and the ServiceAccount `other` that acts as somebody else."""
    tenant.account("till")
    tenant.account("other")
    tenant.instance()
    tenant.user("till")
    tenant.ready("csqlu", "till")
    return tenant


@pytest.fixture
def no_webhook(stage: Stage) -> Iterator[None]:
    """The webhook's pods are gone; they are back at the end."""
    kubectl, here = stage.chain.kubectl, ("-n", world.NAMESPACE)
    kubectl("scale", "deployment", WEBHOOK, *here, "--replicas=0")
    kubectl("wait", "pod", "-l", "app.kubernetes.io/component=webhook", *here, "--for=delete", "--timeout=60s")
    yield
    kubectl("scale", "deployment", WEBHOOK, *here, "--replicas=2")
    kubectl("rollout", "status", "deployment", WEBHOOK, *here, "--timeout=60s")


def test_a_pod_under_another_identity_is_denied_with_both_accounts(injected: Tenant) -> None:
    refusal = _pod(injected, "other", {INJECT: "till"})

    assert "denied the request" in refusal
    assert "till@acme-prod.iam.gserviceaccount.com" in refusal
    assert "other@acme-prod.iam.gserviceaccount.com" in refusal


def test_an_annotation_that_does_not_exist_is_denied_by_name_with_the_one_that_is_meant(injected: Tenant) -> None:
    refusal = _pod(injected, "till", {"iam.cloudsql.dev/injekt": "till"})

    assert "iam.cloudsql.dev/injekt: no such annotation; did you mean iam.cloudsql.dev/inject?" in refusal


def test_an_annotation_whose_value_cannot_be_meant_is_denied_by_name(injected: Tenant) -> None:
    refusal = _pod(injected, "till", {INJECT: "till", "iam.cloudsql.dev/unix-socket": "run/sql"})

    assert "iam.cloudsql.dev/unix-socket: is 'run/sql'; write an absolute directory" in refusal


def test_a_pod_without_our_annotations_never_reaches_the_webhook(injected: Tenant) -> None:
    before = _requests(injected.stage)

    assert _pod(injected, "other", {"example.com/inject": "true"}) == ""
    after = _requests(injected.stage)
    assert _pod(injected, "till", {"iam.cloudsql.dev/injekt": "till"}) != ""

    assert after == before
    assert _requests(injected.stage) == before + 1


def test_pods_without_our_annotations_start_while_the_webhook_is_down(injected: Tenant, no_webhook: None) -> None:
    plain = _pod(injected, "other", {})
    annotated = _pod(injected, "till", {INJECT: "till"})

    assert plain == ""
    assert "pods.inject.iam.cloudsql.dev" in annotated


def _pod(tenant: Tenant, account: str, annotations: dict[str, str]) -> str:
    return pod_under(tenant.stage, account, annotations, tenant.name)


def _requests(stage: Stage) -> int:
    """Admission requests that all replicas of the webhook have answered so far."""
    kubectl = stage.chain.kubectl
    pods = kubectl.list("pods", world.NAMESPACE, labels="app.kubernetes.io/component=webhook")
    texts = [
        kubectl(
            "get", "--raw", f"/api/v1/namespaces/{world.NAMESPACE}/pods/{pod['metadata']['name']}:9402/proxy/metrics"
        )
        for pod in pods
    ]
    pattern = re.compile(r"^cloudsql_iam_webhook_requests_total\{.*\} (\S+)$", re.MULTILINE)
    return int(sum(float(count) for text in texts for count in pattern.findall(text)))
