"""Faults, quotas and the checking of requests and answers in the emulated APIs, through Google's own client."""

import http.client
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from cloudsql_emulator.acme import ADMIN, CHECKOUT, INSTANCE, OPERATOR, PROJECT, acme
from cloudsql_emulator.admin_client import AdminClient, ControlRefused
from cloudsql_emulator.clients import error_of, google_client
from cloudsql_emulator.config import to_json
from cloudsql_emulator.emulator import Emulator

V3 = {"options": {"requestedPolicyVersion": 3}}
RESOURCE = f"projects/{PROJECT}"
READ_POLICY = "cloudresourcemanager.projects.getIamPolicy"
WRITE_POLICY = "cloudresourcemanager.projects.setIamPolicy"


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator(acme(with_instance=False)) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    yield running
    running.admin.clear_faults()
    running.admin.set_quotas({})


@pytest.fixture
def projects(emulator: Emulator) -> Any:
    return google_client(emulator, "cloudresourcemanager", "v3", ADMIN).projects()


def read(projects: Any) -> Any:
    return projects.getIamPolicy(resource=RESOURCE, body=V3).execute()


def test_a_fault_strikes_as_often_as_it_was_told_to(emulator: Emulator, projects: Any) -> None:
    emulator.admin.add_fault(READ_POLICY, status=503, times=2)
    codes = []

    for _ in range(2):
        with pytest.raises(HttpError) as caught:
            read(projects)
        codes.append(caught.value.resp.status)

    assert codes == [503, 503]
    assert read(projects)["version"] == 3


def test_a_fault_strikes_by_path_and_only_its_caller(emulator: Emulator, projects: Any) -> None:
    emulator.admin.add_fault(r"POST /v3/projects/acme-prod:get", status=500, times=None, caller=OPERATOR)
    others = google_client(emulator, "cloudresourcemanager", "v3", OPERATOR).projects()

    with pytest.raises(HttpError):
        read(others)

    assert read(projects)["version"] == 3


def test_a_fault_after_the_effect_leaves_the_effect(emulator: Emulator, projects: Any) -> None:
    found = read(projects)
    changed = {**found, "bindings": [*found["bindings"], {"role": "roles/cloudsql.client", "members": [CHECKOUT]}]}
    emulator.admin.add_fault(WRITE_POLICY, status=503, after=True)

    with pytest.raises(HttpError):
        projects.setIamPolicy(resource=RESOURCE, body={"policy": changed}).execute()

    assert read(projects)["bindings"] == changed["bindings"]


def test_a_dropped_connection_gives_no_answer(emulator: Emulator, projects: Any) -> None:
    # httplib2 asks again after a dropped connection
    emulator.admin.add_fault(READ_POLICY, drop=True, times=None)

    with pytest.raises((ConnectionError, http.client.HTTPException)):
        read(projects)


def test_a_hanging_call_is_never_answered_and_does_not_keep_the_emulator_up() -> None:
    with Emulator(acme(with_instance=False)) as emulator:
        emulator.admin.add_fault(READ_POLICY, hang=True)
        url = f"{emulator.api_url}/v3/projects/{PROJECT}:getIamPolicy"

        with pytest.raises(TimeoutError):
            urllib.request.urlopen(url, data=b"{}", timeout=0.5)


def test_latency_is_waited_for(emulator: Emulator, projects: Any) -> None:
    emulator.admin.add_fault(READ_POLICY, latency=0.3)
    began = time.monotonic()

    read(projects)

    assert time.monotonic() - began >= 0.3


def test_faults_strike_the_token_endpoint(emulator: Emulator) -> None:
    emulator.admin.add_fault("oauth2.token", status=500)

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(emulator.token_url, data=b"", timeout=30)

    assert caught.value.code == 500


def test_a_quota_is_each_callers_own_and_comes_back(emulator: Emulator, projects: Any) -> None:
    emulator.admin.set_quotas({"Policy reads": 2})
    others = google_client(emulator, "cloudresourcemanager", "v3", OPERATOR).projects()
    read(projects)
    read(projects)

    with pytest.raises(HttpError) as caught:
        read(projects)

    told = error_of(caught.value)
    assert (told["code"], told["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert told["errors"][0]["reason"] == "rateLimitExceeded"
    assert told["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"
    assert read(others)["version"] == 3
    emulator.admin.advance_clock(60)
    assert read(projects)["version"] == 3


def test_unknown_names_in_a_body_are_refused(projects: Any) -> None:
    with pytest.raises(HttpError) as caught:
        projects.getIamPolicy(resource=RESOURCE, body={"option": {}}).execute()

    assert (
        error_of(caught.value)["message"] == 'Invalid JSON payload received. Unknown name "option": Cannot find field.'
    )


def test_an_answer_that_google_would_not_give_is_an_error(emulator: Emulator, projects: Any) -> None:
    before = emulator.admin.policy(RESOURCE)
    emulator.admin.set_policy(RESOURCE, {**before, "colour": "green"})

    with pytest.raises(HttpError) as caught:
        read(projects)

    emulator.admin.set_policy(RESOURCE, before)
    assert "Policy.colour: unknown field" in error_of(caught.value)["message"]


def test_a_method_that_is_not_served_does_not_exist_and_is_named_in_the_journal(emulator: Emulator) -> None:
    sql = google_client(emulator, "sqladmin", "v1", ADMIN)

    with pytest.raises(HttpError) as caught:
        sql.backupRuns().list(project=PROJECT, instance=INSTANCE).execute(num_retries=5)

    assert caught.value.resp.status == 404
    assert caught.value.content.startswith(b"<!DOCTYPE html>")
    found = [entry.detail for entry in emulator.admin.journal() if "backupRuns" in entry.path]
    assert found == ["the emulator does not serve sql.backupRuns.list"]


def test_an_unknown_control_is_refused(emulator: Emulator) -> None:
    with pytest.raises(ControlRefused):
        emulator.admin.set_switch("no_such_switch", True)


def test_it_runs_alone_and_ends_when_told(tmp_path: Path) -> None:
    config = tmp_path / "emulator.json"
    config.write_text(json.dumps(to_json(acme(with_instance=False))))

    with subprocess.Popen(
        [sys.executable, "-m", "cloudsql_emulator", "--config", str(config)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        policy = AdminClient(addresses["control"]).policy(RESOURCE)
        process.terminate()
        code = process.wait(60)

    assert policy["bindings"][0] == {"role": "roles/owner", "members": [ADMIN]}
    assert code == 0
