"""Each answer of the table as it comes over the wire, from an emulator with no instance."""

import http.client
import json
import socket
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest

from cloudsql_emulator.acme import ADMIN, CHECKOUT, PROJECT, acme
from cloudsql_emulator.admin_client import ControlRefused
from cloudsql_emulator.emulator import Emulator
from cloudsql_emulator.faults.answers import ANSWERS

RESOURCE = f"projects/{PROJECT}"
READ_POLICY = "cloudresourcemanager.projects.getIamPolicy"
WRITE_POLICY = "cloudresourcemanager.projects.setIamPolicy"
WHOLE = sorted(name for name, fault in ANSWERS.items() if "status" in fault and not fault.get("half"))
JSON = "application/json; charset=UTF-8"
HTML = "text/html; charset=UTF-8"


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator(acme(with_instance=False)) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    yield running
    running.admin.clear_faults()


class Asked:
    """One call of a policy's method, without a client's retries."""

    def __init__(self, emulator: Emulator, verb: str = "getIamPolicy", body: object = None) -> None:
        connection = http.client.HTTPConnection(urlsplit(emulator.api_url).netloc, timeout=30)
        headers = {"Authorization": f"Bearer {emulator.admin.mint_token(ADMIN)}"}
        connection.request("POST", f"/v1/{RESOURCE}:{verb}", json.dumps(body or {}), headers)
        response = connection.getresponse()
        self.status = response.status
        self.headers = response.headers
        self.content = response.read()


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_comes_with_its_status_and_kind(emulator: Emulator, name: str) -> None:
    emulator.admin.answer(READ_POLICY, name)

    asked = Asked(emulator)

    body = ANSWERS[name]["body"]
    assert asked.status == ANSWERS[name]["status"]
    assert asked.headers["Content-Type"] == (HTML if isinstance(body, str) else JSON)
    assert "${" not in asked.content.decode()
    if not isinstance(body, str):
        assert type(json.loads(asked.content)) is type(body)


def test_an_answer_is_given_until_faults_are_cleared_or_as_often_as_told(emulator: Emulator) -> None:
    emulator.admin.answer(READ_POLICY, "404 HTML")
    always = [Asked(emulator).status for _ in range(3)]
    emulator.admin.clear_faults()

    emulator.admin.answer(READ_POLICY, "422", times=2)
    twice = [Asked(emulator).status for _ in range(3)]

    assert (always, twice) == ([404, 404, 404], [422, 422, 200])


def test_a_perimeters_id_is_another_in_every_answer(emulator: Emulator) -> None:
    emulator.admin.answer(READ_POLICY, "403 VPC Service Controls")

    told = [json.loads(Asked(emulator).content)["error"] for _ in range(2)]

    violated, reason = told[0]["details"]
    unique = reason["metadata"]["uid"]
    assert violated["violations"] == [{"type": "VPC_SERVICE_CONTROLS", "description": unique}]
    assert told[0]["message"].endswith(f"vpcServiceControlsUniqueIdentifier: {unique}")
    assert reason["reason"] == "SECURITY_POLICY_VIOLATED"
    assert reason["metadata"]["service"] == "cloudresourcemanager.googleapis.com"
    assert told[0]["message"] != told[1]["message"]


def test_a_disabled_api_is_told_as_google_tells_it(emulator: Emulator) -> None:
    emulator.admin.answer(READ_POLICY, "403 API disabled")

    told = json.loads(Asked(emulator).content)["error"]

    assert told["errors"][0]["reason"] == "accessNotConfigured"
    assert told["details"][0]["reason"] == "SERVICE_DISABLED"
    assert "/apis/api/cloudresourcemanager.googleapis.com/overview?project=" in told["message"]


def test_when_to_come_back_is_told_in_seconds_and_as_a_date(emulator: Emulator) -> None:
    emulator.admin.answer(READ_POLICY, "429 in seconds", times=1)
    emulator.admin.answer(READ_POLICY, "429 at a date", times=1)

    seconds, date = Asked(emulator).headers["Retry-After"], Asked(emulator).headers["Retry-After"]

    assert seconds == "7"
    assert date.endswith("GMT")
    assert parsedate_to_datetime(date).tzinfo is not None


def test_half_a_body_is_shorter_than_was_promised(emulator: Emulator) -> None:
    emulator.admin.answer(READ_POLICY, "200 half a body")

    with pytest.raises(http.client.IncompleteRead) as caught:
        Asked(emulator)

    assert caught.value.partial.startswith(b'{"kind"')
    assert caught.value.expected is not None
    assert caught.value.expected > 0


@pytest.mark.parametrize(("name", "took_effect"), [("reset before", False), ("reset after", True)])
def test_a_reset_leaves_the_effect_or_not(emulator: Emulator, name: str, took_effect: bool) -> None:
    before = emulator.admin.policy(RESOURCE)
    bindings = [*before["bindings"], {"role": "roles/cloudsql.client", "members": [CHECKOUT]}]
    emulator.admin.answer(WRITE_POLICY, name, times=1)

    with pytest.raises(ConnectionResetError):
        Asked(emulator, "setIamPolicy", {"policy": {**before, "bindings": bindings}})

    after = emulator.admin.policy(RESOURCE)
    emulator.admin.set_policy(RESOURCE, before)
    assert after["bindings"] == (bindings if took_effect else before["bindings"])


def test_the_answer_must_be_one_of_the_table(emulator: Emulator) -> None:
    with pytest.raises(ControlRefused, match="418"):
        emulator.admin.answer(READ_POLICY, "418")


def test_a_reset_is_one_and_no_orderly_end(emulator: Emulator) -> None:
    emulator.admin.answer(READ_POLICY, "reset before")
    host, _, port = urlsplit(emulator.api_url).netloc.partition(":")

    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(
            f"POST /v1/{RESOURCE}:getIamPolicy HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()
        )
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
