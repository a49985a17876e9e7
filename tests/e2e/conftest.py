"""One chain for all end-to-end tests, a tenant for each, and what a failure needs to be understood."""

import itertools
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from cloudsql_emulator.iam.spans import SOME_SECONDS
from controlplane import binaries
from e2e import chain, world
from e2e.cloud import Cloud
from e2e.objects import Refusal
from e2e.scenes import Stage
from e2e.tenant import Tenant

TAIL = 6000
"""Characters of each log in the report of a failure."""

_NUMBERS = itertools.count(1)
"""Namespaces take a while to go: each test has one of its own, each of its parameters too."""

_STAGE = pytest.StashKey[Stage]()


@pytest.fixture(scope="session")
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The chain with the chart installed; started for the first test that asks, stopped at the end."""
    say = _say(request.config)
    parts = chain.started(chain.settings(binaries.ensure(say)), say)
    told = Stage(parts, Cloud(parts.directory))
    request.config.stash[_STAGE] = told
    try:
        yield told
    finally:
        parts.stop()


@pytest.fixture
def tenant(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Tenant]:
    """A namespace of the test's own; at the end policy and database users are as they were before it."""
    cloud = stage.cloud
    policy, users = cloud.policy_text(), cloud.users()
    told = Tenant(stage, f"{_short(request.node.name)}-{next(_NUMBERS)}")
    told.arrive()
    yield told
    told.leave()
    assert cloud.policy_text() == policy
    assert cloud.users() == users


@pytest.fixture
def slow_policies(stage: Stage) -> Iterator[None]:
    """Policies act after some seconds, as at Google; other tests want what they take away to be gone at once."""
    stage.cloud.control.set_propagation(**asdict(SOME_SECONDS))
    yield
    stage.cloud.control.set_propagation()


@pytest.fixture
def clerk(tenant: Tenant) -> Iterator[Tenant]:
    """A tenant with the user `clerk`, Ready; at the end nobody holds more in the database than before."""
    before = tenant.stage.cloud.acls("orders")
    tenant.account("clerk")
    tenant.instance()
    tenant.user("clerk")
    tenant.ready("csqlu", "clerk")
    yield tenant
    tenant.delete("dbg", *(one["metadata"]["name"] for one in tenant.kubectl.list("dbg", tenant.name)))
    assert tenant.stage.cloud.acls("orders") == before


@pytest.fixture
def ground(tenant: Tenant) -> Iterator[Tenant]:
    """A tenant with an instance, and a Google account that the ServiceAccount `once` may act as, which is not there."""
    tenant.account("once")
    tenant.kubectl.delete("serviceaccounts", "once", namespace=tenant.name)
    tenant.instance()
    yield tenant
    tenant.kubectl("delete", "jobs", "--all", "-n", tenant.name, "--wait=true", "--timeout=60s")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what the chain shows at that moment."""
    report = yield
    stage = item.config.stash.get(_STAGE, None)
    if report.failed and stage is not None:
        report.sections += _evidence(stage)
    return report


def _evidence(stage: Stage) -> list[tuple[str, str]]:
    looks = {
        "objects": ("get", "csqli,csqlu,dbg,pods", "-A", "-o", "wide"),
        "conditions": ("describe", "csqli,csqlu,dbg", "-A"),
        "operator": ("logs", "-n", world.NAMESPACE, "deploy/cloudsql-iam-operator", "--tail=40"),
        "webhook": ("logs", "-n", world.NAMESPACE, "deploy/cloudsql-iam-operator-webhook", "--tail=20"),
    }
    directory = stage.chain.directory
    logs = {name: _tail(directory / f"{name}.log") for name in ("kubelet", "emulator")}
    return [(name, _looked(stage, look)) for name, look in looks.items()] + list(logs.items())


def _looked(stage: Stage, look: tuple[str, ...]) -> str:
    try:
        return stage.chain.kubectl(*look)[-TAIL:]
    except Refusal as refusal:
        return str(refusal)


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-TAIL:] if path.exists() else "none"


def _short(name: str) -> str:
    words = name.removeprefix("test_").partition("[")[0].replace("_", "-")
    return words[:30].strip("-")


def _say(config: pytest.Config) -> Callable[[str], None]:
    """Print past the capture: a long step shows that it goes on."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"  chain: {line}", file=sys.stderr, flush=True)

    return say
