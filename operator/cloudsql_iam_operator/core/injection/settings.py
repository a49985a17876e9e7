"""What the administrator decides about injected proxies, the same for every pod."""

from dataclasses import dataclass

from cloudsql_iam_operator.api.injection.access import IdentityMode, OnError

__all__ = ["PROXY_REPOSITORIES", "IdentityMode", "InjectionSettings", "OnError"]

PROXY_REPOSITORIES = tuple(
    f"{mirror}gcr.io/cloud-sql-connectors/cloud-sql-proxy" for mirror in ("", "us.", "eu.", "asia.")
)
"""Where Google publishes the proxy."""


@dataclass(frozen=True, slots=True)
class InjectionSettings:
    """`image` is the proxy's; `allowed_images` are repositories, or prefixes of such when they end in a slash.

    `identity_by_pod`: pods may weaken the check of their identity. `credentials_secrets`: pods may name a Secret as
    their identity. `endpoints` are addresses of the Admin API and universes that pods may name. `extra_args`: pods
    may add flags. `pull_secrets` are names of image pull secrets. `environment` are variables of the proxy, such as
    HTTPS_PROXY. `metadata_host` is where the proxy takes the metadata server to be without asking; "" lets it look.
    Limits are quantities for pods that say none, "" for none. `network_policies`: pods get those
    that they ask for.
    """

    image: str
    allowed_images: tuple[str, ...] = PROXY_REPOSITORIES
    identity: IdentityMode = IdentityMode.ENFORCE
    identity_by_pod: bool = False
    on_error: OnError = OnError.DENY
    credentials_secrets: bool = True
    endpoints: tuple[str, ...] = ()
    extra_args: bool = False
    pull_secrets: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    metadata_host: str = ""
    cpu_limit: str = ""
    memory_limit: str = "256Mi"
    storage_limit: str = ""
    network_policies: bool = True
