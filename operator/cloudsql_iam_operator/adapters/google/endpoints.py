"""Where Google's APIs are reached: their public names, unless a private address is set."""

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base addresses of Google's APIs, without a trailing slash.

    `oauth_token` is the whole address of the token endpoint; "" leaves it to the credentials.
    """

    sqladmin: str = "https://sqladmin.googleapis.com"
    resource_manager: str = "https://cloudresourcemanager.googleapis.com"
    iam: str = "https://iam.googleapis.com"
    iam_credentials: str = "https://iamcredentials.googleapis.com"
    oauth_token: str = ""


def endpoints_from(environment: Mapping[str, str]) -> Endpoints:
    """Endpoints with each one replaced that a variable sets: SQLADMIN_ENDPOINT, RESOURCE_MANAGER_ENDPOINT and so on."""
    given = {
        field.name: environment.get(f"{field.name.upper()}_ENDPOINT", "").rstrip("/") for field in fields(Endpoints)
    }
    return Endpoints(**{name: address for name, address in given.items() if address})
