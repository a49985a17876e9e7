"""The commands of the pages about injection, pasted into a shell that has kubectl, helm and our own command."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.waiting import eventually
from support.migrating import CONNECTION, v2
from support.pages import ROOT, commands, manifests, mentioned
from support.webhookparts.manifests import (
    GOOGLE_ACCOUNT,
    JSON,
    MARK,
    annotated,
    instance,
    service_account,
    user,
    workload,
)
from support.webhookparts.site import Site

INJECT = (ROOT / "docs" / "inject.md").read_text()
HOOKS = (ROOT / "docs" / "helm-hooks.md").read_text()
WEBHOOK = (ROOT / "docs" / "webhook.md").read_text()
NAMESPACE = "orders"
CHART = "{apiVersion: v2, name: shop, version: 0.1.0}\n"

Done = subprocess.CompletedProcess[str]


class Shell:
    """A folder with manifests of a shop: as files, as a chart, and with a proxy of the author's own."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        for name, program in (("kubectl", site.programs.kubectl), ("helm", site.programs.helm)):
            (folder / "bin" / name).symlink_to(program)
        ours = folder / "bin" / "cloudsql-iam-operator"
        ours.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cloudsql_iam_operator "$@"\n')
        ours.chmod(0o755)
        self._environment = {
            "PATH": f"{folder}/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "KUBECONFIG": str(site.plane.admin),
            "PYTHONPATH": str(ROOT / "operator"),
        }

    def write(self, path: str, *objects: JSON) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump_all(objects))

    def paste(self, text: str) -> Done:
        script = ["bash", "-uo", "pipefail", "-c", text]
        return subprocess.run(
            script, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture
def shell(site: Site, tmp_path: Path) -> Iterator[Shell]:
    """In a cluster with the instance, and a namespace that goes with the test."""
    site.apply(instance(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    yield Shell(site, tmp_path)
    site.kubectl("delete", "deployment,cloudsqliamuser,databasegrant", "--all", "--namespace", NAMESPACE)


def shop() -> list[JSON]:
    account = service_account(NAMESPACE, **{MARK: GOOGLE_ACCOUNT})
    return [account, user(NAMESPACE), workload(NAMESPACE, "Deployment", annotated(NAMESPACE, inject="checkout"))]


def with_a_proxy() -> list[JSON]:
    """The same with a proxy of the author's own in the place of the annotations."""
    *access, deployment = shop()
    template = deployment["spec"]["template"]
    template["metadata"]["annotations"] = {}
    template["spec"]["containers"].append(v2("--auto-iam-authn", "--private-ip", CONNECTION))
    return [*access, deployment]


def text_of(beginning: str) -> str:
    """The one command of the page that begins so."""
    (found,) = [each.text for each in commands(INJECT) if each.text.startswith(beginning)]
    return found


def test_every_command_of_the_page_is_pasted() -> None:
    pasted = {APPLIED, SHOWN, RENDERED, MIGRATED, WRITTEN}

    assert {each.text for each in commands(INJECT)} == pasted


APPLIED = text_of("cloudsql-iam-operator inject -f manifests/ | kubectl apply")
SHOWN = text_of("cloudsql-iam-operator inject -f web.yaml --diff")
RENDERED = text_of("helm template shop ./shop |")
MIGRATED = text_of("cloudsql-iam-operator inject -f web.yaml --migrate --diff")
WRITTEN = text_of("cloudsql-iam-operator inject -f web.yaml --migrate >")


def test_what_is_printed_is_applied_and_the_webhook_leaves_its_pods_as_they_are(site: Site, shell: Shell) -> None:
    shell.write("manifests/shop.yaml", *shop())

    done = shell.paste(APPLIED)

    assert done.returncode == 0, done.stderr
    assert "deployment.apps/web created" in done.stdout
    pods = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app=web"
    eventually(lambda: site.api.get(pods)["items"], "the Deployment's pod is made")
    (made,) = site.api.get(pods)["items"]
    assert [each["name"] for each in made["spec"]["initContainers"]] == ["cloudsql-proxy"]


def test_a_difference_is_shown_and_its_status_says_so(shell: Shell) -> None:
    shell.write("web.yaml", *shop())

    done = shell.paste(SHOWN)

    assert done.returncode == 2, done.stderr
    assert "+      - name: cloudsql-proxy" in done.stdout


def test_a_chart_is_rendered_with_the_proxy(shell: Shell) -> None:
    shell.write("shop/templates/web.yaml", *shop())
    (shell.folder / "shop" / "Chart.yaml").write_text(CHART)

    done = shell.paste(RENDERED)

    assert done.returncode == 0, done.stderr
    assert [proxies(one) for one in yaml.safe_load_all(done.stdout) if one["kind"] == "Deployment"] == [
        ["cloudsql-proxy"]
    ]


def test_a_proxy_of_ones_own_becomes_annotations(shell: Shell) -> None:
    shell.write("web.yaml", *with_a_proxy())

    shown, written = shell.paste(MIGRATED), shell.paste(WRITTEN)

    assert (shown.returncode, written.returncode) == (2, 0), written.stderr
    assert "+        iam.cloudsql.dev/inject: checkout" in shown.stdout
    made = shell.paste("kubectl apply --dry-run=server -o json -f web-migrated.yaml")
    assert made.returncode == 0, made.stderr
    (deployment,) = [one for one in json.loads(made.stdout)["items"] if one["kind"] == "Deployment"]
    assert deployment["spec"]["template"]["metadata"]["annotations"] == {"iam.cloudsql.dev/inject": "checkout"}


def test_who_waits_for_the_user_by_the_pages_command_is_told_when_it_is_ready(site: Site, shell: Shell) -> None:
    (wait,) = [text for text in mentioned(WEBHOOK) if text.startswith("kubectl wait ")]
    site.apply(service_account(NAMESPACE), user(NAMESPACE))
    early = shell.paste(f"{wait} --namespace {NAMESPACE} --timeout=1s")
    site.ready(user(NAMESPACE))

    late = shell.paste(f"{wait} --namespace {NAMESPACE}")

    assert early.returncode == 1
    assert late.returncode == 0, late.stderr


def test_what_an_uninstall_leaves_goes_by_the_pages_command(site: Site, shell: Shell) -> None:
    (delete,) = [text for text in mentioned(HOOKS) if text.startswith("kubectl delete ")]
    made: Any = [
        one
        for one in yaml.safe_load_all("---\n".join(manifests(HOOKS)))
        if one["kind"] in ("CloudSQLIAMUser", "DatabaseGrant")
    ]
    site.apply(*(one | {"metadata": one["metadata"] | {"namespace": NAMESPACE}} for one in made))

    done = shell.paste(f"{delete} --namespace {NAMESPACE}")

    assert done.returncode == 0, done.stderr
    assert sorted(line.partition(" deleted")[0] for line in done.stdout.splitlines()) == [
        'cloudsqliamuser.iam.cloudsql.dev "shop"',
        'databasegrant.iam.cloudsql.dev "shop"',
    ]


def proxies(deployment: JSON) -> list[str]:
    return [each["name"] for each in deployment["spec"]["template"]["spec"]["initContainers"]]
