"""Manifests that the pages print are taken by the API server as they stand."""

import json
from typing import Any

import pytest
import yaml

from e2e.kubectl import Kubectl
from integration.shared_plane import SharedPlane
from support.pages import PROSE, ROOT, manifests

PRINTED = [
    (f"{page.relative_to(ROOT)}: {one['kind']} {one['metadata']['name']}", one)
    for page in PROSE
    for text in manifests(page.read_text())
    for one in yaml.safe_load_all(text)
    if "kind" in one
]


@pytest.mark.parametrize("manifest", [one for _, one in PRINTED], ids=[name for name, _ in PRINTED])
def test_a_manifest_of_a_page_is_taken_as_it_stands(shared: SharedPlane, manifest: dict[str, Any]) -> None:
    kubectl = Kubectl(shared.programs.kubectl, shared.plane.admin)
    here = {**manifest, "metadata": {**manifest["metadata"], "namespace": "default"}}

    made = json.loads(kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(here)))

    assert made["kind"] == manifest["kind"]
    assert made["metadata"]["uid"]


def test_pages_print_manifests_that_tenants_write() -> None:
    kinds = {manifest["kind"] for _, manifest in PRINTED}

    assert {"CloudSQLIAMUser", "DatabaseGrant", "Job", "ServiceAccount"} <= kinds
