"""What the administrator decides about injected proxies, the same for every pod."""

from dataclasses import dataclass

from cloudsql_iam_operator.api.injection.access import IdentityMode

__all__ = ["PROXY_REPOSITORIES", "IdentityMode", "InjectionSettings"]

PROXY_REPOSITORIES = tuple(
    f"{mirror}gcr.io/cloud-sql-connectors/cloud-sql-proxy" for mirror in ("", "us.", "eu.", "asia.")
)
"""Where Google publishes the proxy."""


@dataclass(frozen=True, slots=True)
class InjectionSettings:
    """`image` is the proxy's; `allowed_images` are repositories, or prefixes of such when they end in a slash."""

    image: str
    allowed_images: tuple[str, ...] = PROXY_REPOSITORIES
    identity: IdentityMode = IdentityMode.ENFORCE
