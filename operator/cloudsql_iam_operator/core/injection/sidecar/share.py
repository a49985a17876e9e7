"""Request and limit of one resource, and how a container writes them."""

from collections.abc import Sequence
from dataclasses import dataclass

from cloudsql_iam_operator.api.injection.quantities import is_zero


@dataclass(frozen=True, slots=True)
class Share:
    """Request and limit of one resource, "" for none, and which of them the pod itself says."""

    resource: str
    request: str
    limit: str
    request_said: bool
    limit_said: bool


def resources(found: Sequence[Share]) -> dict[str, dict[str, str]]:
    """The same as a container writes it."""
    requests = {share.resource: share.request for share in found if share.request}
    limits = {share.resource: share.limit for share in found if share.limit and not is_zero(share.limit)}
    return {kind: values for kind, values in (("requests", requests), ("limits", limits)) if values}
