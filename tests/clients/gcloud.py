"""How gcloud is set up beside the emulator: an owner's token, the emulator's authority, and no question asked."""

from collections.abc import Mapping
from pathlib import Path

from cloudsql_emulator.admin_client import AdminClient


def environment(folder: Path, admin: AdminClient, owner: str, trust: Path) -> Mapping[str, str]:
    """Gcloud's variables for an owner of the project; a token is put into the folder."""
    token = folder / "admin-token"
    token.write_text(admin.mint_token(owner))
    token.chmod(0o644)
    return {
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
        "CLOUDSDK_CONFIG": "/tmp/gcloud",
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": str(trust),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "PYTHONPATH": "",
    }
