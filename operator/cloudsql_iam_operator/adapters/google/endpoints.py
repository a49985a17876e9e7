"""Where Google's APIs are reached, and how resources are named in a URL's path."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from urllib.parse import quote

PUBLIC_UNIVERSE = "googleapis.com"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base addresses of Google's APIs, without a trailing slash.

    `oauth_token` and `sts_token` are the whole addresses of the token endpoints for keys and for federation; "" leaves
    them to the credentials.
    """

    sqladmin: str = "https://sqladmin.googleapis.com"
    resource_manager: str = "https://cloudresourcemanager.googleapis.com"
    iam: str = "https://iam.googleapis.com"
    iam_credentials: str = "https://iamcredentials.googleapis.com"
    oauth_token: str = ""
    sts_token: str = ""


def endpoints_from(environment: Mapping[str, str]) -> Endpoints:
    """Endpoints with each one replaced that a variable sets: SQLADMIN_ENDPOINT, RESOURCE_MANAGER_ENDPOINT and so on.

    GOOGLE_CLOUD_UNIVERSE_DOMAIN, which Google's own libraries read too, replaces the domain of all others.
    """
    universe = environment.get("GOOGLE_CLOUD_UNIVERSE_DOMAIN") or PUBLIC_UNIVERSE
    found = {}
    for field in fields(Endpoints):
        given = environment.get(f"{field.name.upper()}_ENDPOINT", "").rstrip("/")
        found[field.name] = given or str(field.default).replace(PUBLIC_UNIVERSE, universe)
    return Endpoints(**found)


def project_path(project: str) -> str:
    """A project's name as one part of a path; the colon of one that is scoped to a domain stays."""
    return f"projects/{quote(project, safe=':')}"


def account_path(email: str) -> str:
    """A service account's name as one part of a path, in whichever project it is.

    The client leaves `/`, `:`, `?` and `#` as they are in a whole name, and each would ask for something else.
    """
    return f"projects/-/serviceAccounts/{quote(email, safe='@')}"
