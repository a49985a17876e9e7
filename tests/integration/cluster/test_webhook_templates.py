"""The webhook that looks at workloads, on a real API server: what a person sees, and who never reaches it."""

import json

import pytest

from support.webhookparts.manifests import GOOGLE_ACCOUNT, JSON, MARK, annotated, service_account, user, workload
from support.webhookparts.site import Site

KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")
INJECT = "iam.cloudsql.dev/inject"


def warned(site: Site, body: JSON, *options: str) -> str:
    """What a person reads beside the object that was stored."""
    done = site.kubectl("apply", *options, "-f", "-", stdin=json.dumps(body))
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_workload_whose_user_is_not_there_yet_is_stored_with_a_warning(site: Site, namespace: str, kind: str) -> None:
    text = warned(site, workload(namespace, kind, annotated(namespace, inject="checkout")))

    assert "Warning: its pods are refused, and tried again, until this is settled: ServiceAccount" in text


@pytest.mark.parametrize("kind", KINDS)
def test_an_annotation_on_the_wrong_level_is_told(site: Site, namespace: str, kind: str) -> None:
    body = workload(namespace, kind, annotated(namespace), annotations={INJECT: "checkout"})

    assert f"Warning: {INJECT} in metadata.annotations of the {kind} is read by nobody" in warned(site, body)


@pytest.mark.parametrize("kind", KINDS)
def test_a_workload_that_does_not_mention_us_causes_no_call(site: Site, namespace: str, kind: str) -> None:
    body = workload(namespace, kind, annotated(namespace))
    bare = workload(namespace, kind, annotated(namespace))
    bare["metadata"]["name"] = "bare"
    before = site.requests()

    warned(site, body)
    warned(site, body | {"metadata": body["metadata"] | {"annotations": {"example.com/inject": "x"}}})
    warned(site, bare | {"metadata": bare["metadata"] | {"labels": {"cloudsql": "x"}}})

    assert site.requests() == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_typing_error_is_refused_where_it_was_made(site: Site, namespace: str, kind: str) -> None:
    refusal = site.refusal(workload(namespace, kind, annotated(namespace, injekt="checkout")))

    assert "did you mean iam.cloudsql.dev/inject?" in refusal


def test_what_controllers_write_into_a_workload_is_no_news(site: Site, namespace: str) -> None:
    body = workload(namespace, "Deployment", annotated(namespace, inject="checkout"), annotations={INJECT: "checkout"})
    warned(site, body)
    before = site.requests()
    where = ("deployment", "web", "--namespace", namespace)

    assert site.kubectl("scale", *where, "--replicas=0").returncode == 0
    assert site.kubectl("annotate", *where, "example.com/revision=2").returncode == 0
    assert site.kubectl("label", *where, "team=orders").returncode == 0

    assert site.requests() == before


def test_an_annotation_put_onto_a_deployment_by_hand_is_told(site: Site, namespace: str) -> None:
    warned(site, workload(namespace, "Deployment", annotated(namespace)))

    done = site.kubectl("annotate", "deployment", "web", f"{INJECT}=checkout", "--namespace", namespace)

    assert f"Warning: {INJECT} in metadata.annotations of the Deployment is read by nobody" in done.stderr


def test_a_workload_that_is_right_is_stored_without_a_word(site: Site, namespace: str) -> None:
    known = user(namespace)
    site.apply(service_account(namespace, **{MARK: GOOGLE_ACCOUNT}), known)
    site.ready(known)
    pod = annotated(namespace, inject="checkout", database="orders")

    assert warned(site, workload(namespace, "Deployment", pod), "--dry-run=server") == ""


def test_a_workload_has_no_field_that_is_ours_so_that_appliers_never_conflict(site: Site, namespace: str) -> None:
    known = user(namespace)
    site.apply(service_account(namespace, **{MARK: GOOGLE_ACCOUNT}), known)
    site.ready(known)
    body = workload(namespace, "Deployment", annotated(namespace, inject="checkout", database="orders"))
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"

    for manager in ("flux", "flux", "argocd"):
        options = ("--server-side", f"--field-manager={manager}")
        assert site.kubectl("apply", *options, "-f", "-", stdin=json.dumps(body)).returncode == 0
        stored = site.api.get(path)
        assert stored["metadata"]["generation"] == 1
        assert stored["spec"]["template"]["spec"].get("initContainers") is None

    writers = {entry["manager"] for entry in site.api.get(path)["metadata"]["managedFields"]}
    assert writers - {"kube-controller-manager"} == {"flux", "argocd"}
    assert site.kubectl("diff", "--server-side", "-f", "-", stdin=json.dumps(body)).stdout == ""


def test_an_identity_that_can_never_be_right_is_refused(site: Site, namespace: str) -> None:
    known = user(namespace)
    known["spec"]["principal"] = {"serviceAccount": GOOGLE_ACCOUNT}
    site.apply(service_account(namespace, **{MARK: "billing@acme-prod.iam.gserviceaccount.com"}), known)

    refusal = site.refusal(workload(namespace, "Deployment", annotated(namespace, inject="checkout")))

    assert "acts as <annotation iam.gke.io/gcp-service-account of ServiceAccount checkout>" in refusal


@pytest.mark.parametrize("policy", ["", "before-hook-creation", "hook-succeeded"])
def test_a_user_that_helm_would_delete_at_the_next_upgrade_is_told(site: Site, namespace: str, policy: str) -> None:
    hook = {"helm.sh/hook": "pre-install,pre-upgrade"} | ({"helm.sh/hook-delete-policy": policy} if policy else {})
    known = user(namespace)
    known["metadata"]["annotations"] = hook

    assert "Warning: Helm deletes this CloudSQLIAMUser" in warned(site, known)


def test_a_user_that_argo_cd_would_delete_at_the_next_sync_is_told(site: Site, namespace: str) -> None:
    known = user(namespace)
    known["metadata"]["annotations"] = {"argocd.argoproj.io/hook": "PreSync"}

    assert "Warning: Argo CD deletes this CloudSQLIAMUser" in warned(site, known)


def test_a_user_that_is_no_hook_causes_no_call(site: Site, namespace: str) -> None:
    before = site.requests()

    warned(site, user(namespace))

    assert site.requests() == before
