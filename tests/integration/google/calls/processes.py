"""A process of its own that lists users as whatever its environment makes it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from integration.google.stand_in import Google

LIST_USERS = """
import os, sys
from cloudsql_iam_operator.adapters.google.credentials import impersonated, own_identity
from cloudsql_iam_operator.adapters.google.endpoints import endpoints_from
from cloudsql_iam_operator.adapters.google.client import Caller
from cloudsql_iam_operator.adapters.google.sqladmin import SQLAdmin
from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.core.errors import Failure
endpoints = endpoints_from(os.environ)
try:
    identity = own_identity(endpoints)
    if os.environ.get("IMPERSONATE"):
        identity = impersonated(identity, os.environ["IMPERSONATE"], endpoints)
    admin = SQLAdmin(endpoints, Caller(identity, lambda: None))
    print([user.name for user in admin.users(ConnectionName("acme-prod", "europe-west1", "orders"))])
except Failure as failure:
    print(failure)
"""


def listed(stand_in: Google, **more: str) -> str:
    """What a process of its own prints that lists users as itself."""
    command, environment = [sys.executable, "-c", LIST_USERS], environment_for(stand_in, **more)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout


def environment_for(stand_in: Google, **more: str) -> dict[str, str]:
    """All that a process is to see of its environment."""
    endpoints = stand_in.endpoints
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[4] / "operator"),
        "NO_GCE_CHECK": "true",
        "HOME": "/nonexistent",
        "SQLADMIN_ENDPOINT": endpoints.sqladmin,
        "IAM_CREDENTIALS_ENDPOINT": endpoints.iam_credentials,
        "OAUTH_TOKEN_ENDPOINT": f"{endpoints.sqladmin}/oauth/token",
        "STS_TOKEN_ENDPOINT": f"{endpoints.sqladmin}/sts/token",
        **more,
    }


def key_file() -> dict[str, Any]:
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "client_email": "operator@acme-prod.iam.gserviceaccount.com",
        "private_key": key.decode(),
        "token_uri": "https://oauth2.googleapis.com/token",
    }
