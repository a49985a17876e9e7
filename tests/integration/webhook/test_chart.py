"""The chart's objects around the webhook, as helm renders them."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudsql_iam_operator.api.parsing.images import is_image
from controlplane import binaries
from support.pages import ROOT, commands
from support.webhookparts.site import CHART

LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


HOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


def helm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(binaries.ensure(print).helm), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def rendered(*sets: str, chart: Path = CHART) -> list[dict[str, Any]]:
    """The chart's objects with these values set."""
    done = helm("template", "csql", str(chart), *(f"--set={one}" for one in sets))
    done.check_returncode()
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in objects if one["kind"] == kind]


@pytest.mark.parametrize("build", ["build." + "7" * 40, "a" * 23 + "-.x", "a" * 22 + ".-.b", "1"])
def test_a_version_with_build_metadata_makes_labels_and_tags_that_kubernetes_takes(tmp_path: Path, build: str) -> None:
    shutil.copytree(CHART, tmp_path / "chart")
    about = tmp_path / "chart" / "Chart.yaml"
    about.write_text(about.read_text().replace("0.1.0", f"0.1.0-rc.1+{build}"))

    objects = rendered(chart=tmp_path / "chart")

    labels = {value for one in objects for value in one["metadata"].get("labels", {}).values()}
    assert {value for value in labels if value and not LABEL.fullmatch(value)} == set()
    images = {
        each["image"]
        for one in objects
        if one["kind"] == "Deployment"
        for each in one["spec"]["template"]["spec"]["containers"]
    }
    assert {image for image in images if not is_image(image)} == set()


def test_names_begin_with_the_release_or_with_what_overrides_it() -> None:
    def names(*sets: str) -> set[str]:
        return {one["metadata"]["name"] for one in rendered(*sets) if one["kind"] != "CustomResourceDefinition"}

    assert {name for name in names() if not name.startswith("csql")} == set()
    assert {name for name in names("fullnameOverride=other") if not name.startswith("other")} == set()


@pytest.mark.parametrize("value", ["relistSeconds=65536", "workers=65536", "threads=65536", "relistSeconds=59"])
def test_a_number_that_the_operator_would_refuse_is_refused_at_installation(value: str) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        rendered(f"operator.{value}")


@pytest.mark.parametrize("replicas", [1, 2])
def test_one_webhook_may_always_be_evicted_so_that_nodes_drain(replicas: int) -> None:
    objects = rendered(f"webhook.replicas={replicas}")

    (budget,) = [one["spec"] for one in objects if one["kind"] == "PodDisruptionBudget"]
    assert (budget["maxUnavailable"], "minAvailable" in budget) == (1, False)


def test_the_webhook_is_a_deployment_of_two_that_are_spread_over_the_nodes() -> None:
    (webhook,) = [one["spec"] for one in of_kind(rendered(), "Deployment") if one["metadata"]["name"] == "csql-webhook"]

    (spread,) = webhook["template"]["spec"]["topologySpreadConstraints"]
    chosen = spread["labelSelector"]["matchLabels"]
    assert (webhook["replicas"], spread["topologyKey"], spread["maxSkew"]) == (2, "kubernetes.io/hostname", 1)
    assert chosen == webhook["selector"]["matchLabels"]
    assert webhook["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    (probe,) = [each["readinessProbe"] for each in webhook["template"]["spec"]["containers"]]
    assert probe["httpGet"]["path"] == "/readyz"


def test_only_pods_with_our_annotations_are_held_back_while_the_webhook_is_away() -> None:
    hooks = [hook for kind in HOOKS for one in of_kind(rendered(), kind) for hook in one["webhooks"]]

    (closed,) = [hook for hook in hooks if hook["failurePolicy"] == "Fail"]
    assert closed["name"] == "pods.inject.iam.cloudsql.dev"
    assert "k.startsWith('iam.cloudsql.dev/')" in closed["matchConditions"][0]["expression"]
    assert {bool(hook["matchConditions"]) for hook in hooks} == {True}
    (opened,) = of_kind(rendered("webhook.failurePolicy=Ignore"), HOOKS[0])
    assert [hook["failurePolicy"] for hook in opened["webhooks"]] == ["Ignore"]


@pytest.mark.parametrize(("version", "is_taken"), [("1.29.15", False), ("1.30.0-gke.100", True), ("1.36.0", True)])
def test_a_cluster_without_match_conditions_is_refused_at_installation(version: str, is_taken: bool) -> None:
    done = helm("template", "csql", str(CHART), f"--kube-version={version}")

    assert (done.returncode == 0) is is_taken
    assert is_taken or "chart requires kubeVersion: >=1.30.0-0" in done.stderr


def test_with_cert_manager_the_webhook_may_write_neither_certificate_nor_trust() -> None:
    objects = rendered("webhook.certManager.enabled=true")

    (certificate,) = [one for one in objects if one["kind"] == "Certificate"]
    assert certificate["spec"]["secretName"] == "csql-webhook-cert"
    assert [one for one in objects if one["kind"] == "Secret"] == []
    hooks = [one for one in objects if one["kind"].endswith("WebhookConfiguration")]
    marks = {one["metadata"]["annotations"]["cert-manager.io/inject-ca-from"] for one in hooks}
    assert (len(hooks), marks) == (2, {"default/csql-webhook"})
    roles = [one for one in objects if one["kind"] in ("Role", "ClusterRole") and "webhook" in one["metadata"]["name"]]
    verbs = {verb for role in roles for rule in role["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch"}


def test_an_issuer_of_ones_own_is_used() -> None:
    objects = rendered("webhook.certManager.enabled=true", "webhook.certManager.issuerRef.name=corporate")

    assert [one for one in objects if one["kind"] == "Issuer"] == []
    (certificate,) = [one for one in objects if one["kind"] == "Certificate"]
    assert certificate["spec"]["issuerRef"] == {"name": "corporate"}


NOTES = Path(CHART) / "templates" / "NOTES.txt"


def noted(tmp_path: Path, *sets: str) -> str:
    """The notes with these values set, rendered as a ConfigMap's text: `helm template` shows no notes."""
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\ndata:\n  text: |\n"
    text = head + '    {{- include "notes" . | nindent 4 }}\n'
    (chart / "templates" / "told.yaml").write_text(text)
    (chart / "templates" / "notes.tpl").write_text(f'{{{{ define "notes" }}}}{NOTES.read_text()}{{{{ end }}}}')
    (told,) = [one["data"]["text"] for one in rendered(*sets, chart=chart) if one["metadata"]["name"] == "notes"]
    return str(told)


def test_the_notes_tell_what_an_uninstall_takes_along_and_what_it_leaves(tmp_path: Path) -> None:
    told = noted(tmp_path)

    assert "takes along the webhook's Secret" in told
    assert "kubectl delete lease csql -n default" in told
    assert "NetworkPolicies" not in told


def test_the_notes_tell_what_more_stays_where_more_was_switched_on(tmp_path: Path) -> None:
    told = noted(tmp_path, "webhook.certManager.enabled=true", "networkPolicies.enabled=true")

    assert "takes along" not in told
    assert "the Secret csql-webhook-cert, which is cert-manager's," in told
    assert "the NetworkPolicies with the label app.kubernetes.io/managed-by=cloudsql-iam-operator" in told


def test_the_quickstart_installs_the_image_and_the_identity_that_it_made() -> None:
    quickstart = (ROOT / "docs" / "quickstart.md").read_text()
    (command,) = [each.text for each in commands(quickstart) if each.text.startswith("helm install ")]
    helm = str(binaries.ensure(print).helm)
    pasted = command.replace("helm install ", f"{shlex.quote(helm)} template ")
    done = subprocess.run(["bash", "-euc", pasted], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)

    named = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout) if one}

    account = named["ServiceAccount", "cloudsql-iam-operator"]["metadata"]
    assert account["annotations"] == {"iam.gke.io/gcp-service-account": "operator@acme-prod.iam.gserviceaccount.com"}
    assert account["namespace"] == "cloudsql-iam-operator"  # as the workloadIdentityUser member has it
    pod = named["Deployment", "cloudsql-iam-operator"]["spec"]["template"]["spec"]
    image = "europe-docker.pkg.dev/acme-prod/tools/cloudsql-iam-operator:0.1.0"
    assert pod["containers"][0]["image"] == image
    assert f"docker push {image}" in quickstart
