"""One control plane and one webhook for all tests of this folder; each has names of its own in it."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.kubelet.api import Api
from e2e.waiting import eventually
from integration.shared_plane import SharedPlane, shared_plane
from support.webhookparts.manifests import GOOGLE_ACCOUNT, MARK, instance, service_account, user
from support.webhookparts.site import WEBHOOK, Site, install, log_in

NUMBERS = itertools.count(1)


@pytest.fixture(scope="package")
def shared() -> Iterator[SharedPlane]:
    """Started for the first test that asks, stopped when the last of the folder is over."""
    assert "CHAIN_DIR" in os.environ, "run this under `python -m controlplane.sandbox -- …`, as make does"
    with shared_plane(Path(tempfile.mkdtemp(prefix="plane-", dir=os.environ["CHAIN_DIR"]))) as running:
        yield running


@pytest.fixture(scope="package")
def site(shared: SharedPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("webhook")
    site = Site(directory, shared.programs, shared.plane, Api(shared.plane.admin, directory))
    install(site)
    try:
        log_in(site)
        site.replicas += [site.start(0), site.start(1)]
        for replica in site.replicas:
            eventually(lambda r=replica: r.get("/readyz") == 200, f"replica {replica.number} is ready")  # type: ignore[misc]
        yield site
    finally:
        for replica in site.replicas:
            replica.process.kill()
            replica.process.wait()
        site.kubectl("delete", "mutatingwebhookconfiguration,validatingwebhookconfiguration", WEBHOOK)


@pytest.fixture
def namespace(site: Site) -> str:
    """A namespace of the test's own that enforces Pod Security `restricted`, and an instance for all."""
    name = f"tenant-{next(NUMBERS)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    site.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}, instance())
    return name


@pytest.fixture
def tenant(site: Site, namespace: str) -> str:
    """A namespace whose user is ready."""
    known = user(namespace)
    site.apply(service_account(namespace, **{MARK: GOOGLE_ACCOUNT}), known)
    site.ready(known)
    return namespace
