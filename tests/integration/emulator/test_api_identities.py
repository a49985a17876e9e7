"""Tokens of the emulated Google, through google-auth: key files, metadata server, impersonation."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from google.auth import impersonated_credentials
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials

from cloudsql_emulator.acme import CHECKOUT, CHECKOUT_EMAIL, OPERATOR, OPERATOR_EMAIL, PROJECT, acme
from cloudsql_emulator.emulator import Emulator

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
ACCOUNT = f"projects/{PROJECT}/serviceAccounts/{CHECKOUT_EMAIL}"
FROM_KEY: Any = service_account.Credentials.from_service_account_info
IMPERSONATED: Any = impersonated_credentials.Credentials
PLAIN: Any = Credentials

DEFAULT_CREDENTIALS = """
import google.auth, google.auth.transport.requests
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(google.auth.transport.requests.Request())
print(project, credentials.service_account_email, bool(credentials.token))
"""


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(acme(with_instance=False)) as emulator:
        yield emulator


def from_key(key: dict[str, str]) -> Any:
    return FROM_KEY(key, scopes=[CLOUD_PLATFORM])


def metadata(emulator: Emulator, path: str, **headers: str) -> tuple[int, str, str]:
    request = urllib.request.Request(f"http://{emulator.metadata_host}/computeMetadata/v1/{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.headers["Metadata-Flavor"], response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Metadata-Flavor"], error.read().decode()


def impersonating(emulator: Emulator, member: str) -> Any:
    return IMPERSONATED(
        source_credentials=PLAIN(emulator.admin.mint_token(member)),
        target_principal=CHECKOUT_EMAIL,
        target_scopes=[CLOUD_PLATFORM],
        iam_endpoint_override=f"{emulator.api_url}/v1/projects/-/serviceAccounts/{CHECKOUT_EMAIL}:generateAccessToken",
    )


def test_a_key_file_gives_a_token_of_its_account(emulator: Emulator) -> None:
    credentials = from_key(emulator.admin.new_key(OPERATOR_EMAIL))

    credentials.refresh(Request())

    assert credentials.valid
    assert emulator.admin.tokens_issued() == {OPERATOR: 1}


def test_a_key_of_another_account_gives_none(emulator: Emulator) -> None:
    key = {**emulator.admin.new_key(OPERATOR_EMAIL), "client_email": CHECKOUT_EMAIL}

    with pytest.raises(RefreshError, match="Invalid JWT Signature"):
        from_key(key).refresh(Request())


def test_a_key_that_was_never_given_out_gives_none(emulator: Emulator) -> None:
    keys = [emulator.admin.new_key(OPERATOR_EMAIL) for _ in range(2)]

    with pytest.raises(RefreshError, match="Invalid JWT Signature"):
        from_key({**keys[0], "private_key": keys[1]["private_key"]}).refresh(Request())


def test_a_key_dies_with_its_account(emulator: Emulator) -> None:
    key = emulator.admin.new_key(OPERATOR_EMAIL)

    emulator.admin.delete_principal(OPERATOR)

    with pytest.raises(RefreshError, match="invalid_grant"):
        from_key(key).refresh(Request())


def test_application_default_credentials_come_from_the_metadata_server(emulator: Emulator) -> None:
    environment = dict.fromkeys(("GCE_METADATA_HOST", "GCE_METADATA_IP"), emulator.metadata_host)
    home = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "NO_GCE_CHECK": "false"}

    told = subprocess.run(
        [sys.executable, "-c", DEFAULT_CREDENTIALS],
        env={**home, **environment},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout

    assert told == f"acme-prod {CHECKOUT_EMAIL} True\n"
    assert emulator.admin.tokens_issued() == {CHECKOUT: 1}


def test_the_metadata_server_answers_only_with_its_header(emulator: Emulator) -> None:
    assert metadata(emulator, "project/project-id")[0] == 403
    assert metadata(emulator, "project/project-id", **{"Metadata-Flavor": "Google"}) == (200, "Google", "acme-prod")


def test_a_deleted_accounts_address_gets_no_token_from_the_metadata_server(emulator: Emulator) -> None:
    emulator.admin.delete_principal(CHECKOUT)

    status, _, text = metadata(emulator, "instance/service-accounts/default/token", **{"Metadata-Flavor": "Google"})

    assert status == 404
    assert text.startswith("Unable to generate access token; IAM returned 404 Not Found")


def test_impersonation_takes_a_role_on_the_account(emulator: Emulator) -> None:
    with pytest.raises(RefreshError, match=r"iam\.serviceAccounts\.getAccessToken"):
        impersonating(emulator, OPERATOR).refresh(Request())

    emulator.admin.add_binding(ACCOUNT, "roles/iam.serviceAccountTokenCreator", OPERATOR)
    credentials = impersonating(emulator, OPERATOR)
    credentials.refresh(Request())

    assert credentials.valid
    assert emulator.admin.tokens_issued()[CHECKOUT] == 1


def test_an_expired_token_is_refused(emulator: Emulator) -> None:
    emulator.admin.add_binding(ACCOUNT, "roles/iam.serviceAccountTokenCreator", OPERATOR)
    credentials = impersonating(emulator, OPERATOR)

    emulator.admin.advance_clock(3601)

    with pytest.raises(RefreshError, match="invalid authentication credentials"):
        credentials.refresh(Request())


def test_no_token_is_in_the_journal(emulator: Emulator) -> None:
    token = emulator.admin.mint_token(OPERATOR)
    url = f"{emulator.api_url}/v1/projects/{PROJECT}/instances?access_token={token}"
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(url, timeout=30)

    assert token not in repr(emulator.admin.journal())
    assert "access_token=…" in emulator.admin.journal()[-1].path
