"""Tokens of a provider outside of Google exchanged for Google's own, through google-auth's external_account."""

import dataclasses
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.auth import identity_pool
from google.auth.exceptions import OAuthError
from google.auth.transport.requests import Request
from google.oauth2 import service_account

from cloudsql_emulator.acme import CHECKOUT, CHECKOUT_EMAIL, NUMBER, PROJECT, acme
from cloudsql_emulator.config import Provider
from cloudsql_emulator.emulator import Emulator

POOL = f"iam.googleapis.com/projects/{NUMBER}/locations/global/workloadIdentityPools/clusters"
AUDIENCE = f"//{POOL}/providers/eks"
SUBJECT = "system:serviceaccount:shop:checkout"
MEMBER = f"principal://{POOL}/subject/{SUBJECT}"
CLOUD = ["https://www.googleapis.com/auth/cloud-platform"]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    provider = Provider(PROJECT, "clusters", "eks", "https://issuer.example")
    with Emulator(dataclasses.replace(acme(with_instance=False), providers=(provider,))) as emulator:
        yield emulator


def credentials(emulator: Emulator, folder: Path, subject_token: str, **more: str) -> Any:
    token_file, config = folder / "token", folder / "config.json"
    token_file.write_text(subject_token)
    told = {
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{emulator.api_url}/v1/token",
        "credential_source": {"file": str(token_file)},
        **more,
    }
    config.write_text(json.dumps(told))
    make: Any = identity_pool.Credentials
    return make.from_file(str(config), scopes=CLOUD)


def test_a_providers_subject_is_a_principal_of_the_pool(emulator: Emulator, tmp_path: Path) -> None:
    found = credentials(emulator, tmp_path, emulator.admin.subject_token(AUDIENCE, SUBJECT))

    found.refresh(Request())

    assert emulator.admin.journal(method="sts.token")[-1].caller == MEMBER
    assert emulator.admin.tokens_issued()[MEMBER] == 1


@pytest.mark.parametrize("granted", [MEMBER, f"principalSet://{POOL}/*"])
def test_a_principal_impersonates_an_account_that_it_was_let_on(
    emulator: Emulator, tmp_path: Path, granted: str
) -> None:
    resource, role = f"projects/{PROJECT}/serviceAccounts/{CHECKOUT_EMAIL}", "roles/iam.workloadIdentityUser"
    url = f"{emulator.api_url}/v1/projects/-/serviceAccounts/{CHECKOUT_EMAIL}:generateAccessToken"
    emulator.admin.add_binding(resource, role, granted)
    found = credentials(
        emulator,
        tmp_path,
        emulator.admin.subject_token(AUDIENCE, SUBJECT),
        service_account_impersonation_url=url,
    )
    before = emulator.admin.tokens_issued().get(CHECKOUT, 0)

    found.refresh(Request())
    emulator.admin.remove_member(resource, granted)

    assert emulator.admin.tokens_issued()[CHECKOUT] == before + 1


def test_a_token_that_proves_nothing_is_refused(emulator: Emulator, tmp_path: Path) -> None:
    good = emulator.admin.subject_token(AUDIENCE, SUBJECT)
    stale = emulator.admin.subject_token(AUDIENCE, SUBJECT, lifetime=-1)

    for bad in ("nonsense", good[:-4] + "AAAA", stale):
        with pytest.raises(OAuthError, match="invalid_grant"):
            credentials(emulator, tmp_path, bad).refresh(Request())


def test_a_pool_that_does_not_exist_is_told(emulator: Emulator, tmp_path: Path) -> None:
    found = credentials(emulator, tmp_path, "nonsense", audience=f"//{POOL}/providers/absent")

    with pytest.raises(OAuthError, match=r"invalid_target.*pool or provider is disabled or deleted"):
        found.refresh(Request())


def test_a_fault_strikes_the_exchange(emulator: Emulator) -> None:
    emulator.admin.answer("sts.token", "503", times=1)

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{emulator.api_url}/v1/token", data=urllib.parse.urlencode({}).encode(), timeout=30)

    assert caught.value.code == 503


@pytest.mark.parametrize("claim", ["audience", "scope"])
def test_a_key_signs_tokens_that_the_apis_take_as_they_are(emulator: Emulator, tmp_path: Path, claim: str) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps(emulator.admin.new_key(CHECKOUT_EMAIL)))
    scoped = claim == "scope"
    make: Any = service_account.Credentials
    loaded = make.from_service_account_file(str(key), scopes=CLOUD if scoped else None)
    found: Any = loaded.with_always_use_jwt_access(True)
    found._create_self_signed_jwt(None if scoped else "https://cloudresourcemanager.googleapis.com/")
    found.refresh(Request())
    request = urllib.request.Request(
        f"{emulator.api_url}/v3/projects/{PROJECT}:testIamPermissions",
        json.dumps({"permissions": ["resourcemanager.projects.get"]}).encode(),
        {"Authorization": f"Bearer {found.token}"},
    )

    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.status == 200

    assert emulator.admin.journal(kind="api")[-1].caller == CHECKOUT
