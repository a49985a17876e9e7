"""What the administrator decides about injected proxies, the same for every pod."""

from dataclasses import dataclass
from enum import StrEnum

PROXY_REPOSITORIES = tuple(
    f"{mirror}gcr.io/cloud-sql-connectors/cloud-sql-proxy" for mirror in ("", "us.", "eu.", "asia.")
)
"""Where Google publishes the proxy."""


class IdentityMode(StrEnum):
    """What happens to a pod whose Google account is not the one that its CloudSQLIAMUser logs in as."""

    ENFORCE = "enforce"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class InjectionSettings:
    """`image` is the proxy's; `allowed_images` are repositories, or prefixes of such when they end in a slash."""

    image: str
    allowed_images: tuple[str, ...] = PROXY_REPOSITORIES
    identity: IdentityMode = IdentityMode.ENFORCE
