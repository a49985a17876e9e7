"""The metadata server's listings, redirects, ID tokens and faults."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from cloudsql_emulator.acme import CHECKOUT_EMAIL, NUMBER, PROJECT, acme
from cloudsql_emulator.emulator import Emulator

IDENTITY = "instance/service-accounts/default/identity"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(acme(with_instance=False)) as emulator:
        yield emulator


def told(emulator: Emulator, path: str) -> tuple[int, str]:
    url = f"http://{emulator.metadata_host}/computeMetadata/v1/{path}"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers={"Metadata-Flavor": "Google"}), timeout=30
        ) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("path", ["instance?recursive=true", "instance/?recursive=true", "instance/?recursive=True"])
def test_the_machine_is_read_as_a_whole(emulator: Emulator, path: str) -> None:
    status, text = told(emulator, path)

    found: Any = json.loads(text)
    assert (status, found["zone"]) == (200, f"projects/{NUMBER}/zones/europe-west1-b")
    assert found["serviceAccounts"]["default"]["email"] == CHECKOUT_EMAIL
    assert found["attributes"]["cluster-name"] == "emulated"
    assert "token" not in text


def test_folders_are_listed(emulator: Emulator) -> None:
    assert told(emulator, "") == (200, "instance/\nproject/\nuniverse/\n")
    assert told(emulator, "instance/service-accounts/") == (200, f"default/\n{CHECKOUT_EMAIL}/\n")
    assert told(emulator, "project/project-id") == (200, PROJECT)
    assert told(emulator, "instance/nothing")[0] == 404


def test_an_id_token_names_the_account_and_its_audience(emulator: Emulator) -> None:
    status, token = told(emulator, f"{IDENTITY}?audience=https://a.example&format=full")

    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert status == 200
    assert (claims["iss"], claims["aud"]) == ("https://accounts.google.com", "https://a.example")
    assert (claims["email"], claims["email_verified"]) == (CHECKOUT_EMAIL, True)


def test_an_id_token_takes_an_audience(emulator: Emulator) -> None:
    assert told(emulator, IDENTITY) == (400, "non-empty audience parameter required\n")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("metadata.zone", "instance/zone"),
        ("metadata.token", "instance/service-accounts/default/token"),
        ("metadata.identity", f"{IDENTITY}?audience=x"),
        ("metadata.account", "instance/service-accounts/"),
        ("metadata.universe-domain", "universe/universe-domain"),
    ],
)
def test_faults_strike_every_path(emulator: Emulator, name: str, path: str) -> None:
    emulator.admin.answer(name, "503", times=1)

    assert [told(emulator, path)[0], told(emulator, path)[0]] == [503, 200]
