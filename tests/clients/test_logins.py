"""Connectors of four languages, unchanged and with default endpoints: in as themselves, refused as anybody else."""

from collections.abc import Mapping

import pytest

from clients.ground import REPORTS_NAME, Ground
from clients.languages import LANGUAGES, log_in
from cloudsql_emulator.acme import CHECKOUT, CHECKOUT_NAME, CONNECTION_NAME, PROJECT


@pytest.fixture(params=["metadata server", "key file"])
def credentials(ground: Ground, request: pytest.FixtureRequest) -> Mapping[str, str]:
    """Where the client has its own identity from, as its environment says."""
    if request.param == "metadata server":
        return {}
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(ground.key_file())}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_connector_logs_its_own_identity_in(ground: Ground, credentials: Mapping[str, str], language: str) -> None:
    ran = log_in(ground, language, [CONNECTION_NAME, CHECKOUT_NAME, "orders"], credentials)

    assert (ran.code, ran.output) == (0, CHECKOUT_NAME), ran.errors


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_connector_logs_nobody_else_in(ground: Ground, language: str) -> None:
    ran = log_in(ground, language, [CONNECTION_NAME, REPORTS_NAME, "orders"], {})

    assert ran.code == 1
    assert f'Cloud SQL IAM service account authentication failed for user "{REPORTS_NAME}"' in ran.errors


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_connector_verifies_a_certificate_of_an_authority_service(ground: Ground, language: str) -> None:
    _, _, instance = CONNECTION_NAME.split(":")
    modes = [{"ipConfiguration": {"serverCaMode": f"GOOGLE_MANAGED_{mode}"}} for mode in ("CAS_CA", "INTERNAL_CA")]
    ground.emulator.admin.set_settings(PROJECT, instance, modes[0])
    try:
        ran = log_in(ground, language, [CONNECTION_NAME, CHECKOUT_NAME, "orders"], {})
    finally:
        ground.emulator.admin.set_settings(PROJECT, instance, modes[1])

    assert (ran.code, ran.output) == (0, CHECKOUT_NAME), ran.errors


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_connector_without_the_permission_to_connect_is_told_so(ground: Ground, language: str) -> None:
    resource, role = f"projects/{PROJECT}", "roles/cloudsql.client"
    ground.emulator.admin.remove_member(resource, CHECKOUT, role)
    try:
        ran = log_in(ground, language, [CONNECTION_NAME, CHECKOUT_NAME, "orders"], {})
    finally:
        ground.emulator.admin.add_binding(resource, role, CHECKOUT)

    assert ran.code == 1
    assert "not authorized to make this request" in ran.errors
