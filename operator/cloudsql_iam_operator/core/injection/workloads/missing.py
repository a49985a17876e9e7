"""Pods that run without what they asked for, because nobody was there to ask when they were made."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from cloudsql_iam_operator.api.injection.access import INJECT
from cloudsql_iam_operator.api.injection.sidecar import IMAGE
from cloudsql_iam_operator.api.injection.table import STATUS
from cloudsql_iam_operator.api.parsing.times import instant_of
from cloudsql_iam_operator.core.injection import marker
from cloudsql_iam_operator.core.injection.facts import Facts
from cloudsql_iam_operator.core.injection.manifest import parsed
from cloudsql_iam_operator.core.injection.outcome import Denied, Injected
from cloudsql_iam_operator.core.injection.plan import plan
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.injection.waiting import runs_once

SETTLED = timedelta(seconds=60)
"""How old a pod must be before it is looked at."""

_OVER = ("Succeeded", "Failed")
JSON = Mapping[str, Any]


class Remedy(Enum):
    """What helps a pod that misses its proxy: being made again, a person, or first what it would be refused for."""

    RESTART = "restart"
    PERSON = "person"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Missing:
    """A pod without its proxy, what helps, and one sentence for its owner."""

    remedy: Remedy
    message: str


def suspect(metadata: JSON, now: datetime) -> bool:
    """Whether a pod's metadata say that it asked for a proxy and that no webhook saw it; worth a whole look."""
    annotations = metadata.get("annotations") or {}
    made = instant_of(metadata.get("creationTimestamp"))
    old = made is not None and now - made >= SETTLED
    return old and INJECT in annotations and STATUS not in annotations and "deletionTimestamp" not in metadata


def outdated(metadata: JSON, settings: InjectionSettings) -> bool:
    """Whether a pod was injected with an image that the administrator has replaced since, and did not ask for it."""
    annotations = metadata.get("annotations") or {}
    if IMAGE in annotations or "deletionTimestamp" in metadata:
        return False
    done = marker.read(annotations.get(STATUS) or "")
    return done is not None and done.image != settings.image


def missing(body: JSON, facts: Facts, settings: InjectionSettings) -> Missing | None:
    """What a running pod misses; None when nothing would be injected, or it is over.

    Raises:
        MalformedPod: the body is no pod.
    """
    if (body.get("status") or {}).get("phase") in _OVER:
        return None
    outcome = plan(body, facts, settings)
    if isinstance(outcome, Denied):
        text = f"it runs without the proxy that it asks for, and would be refused now: {outcome.message}"
        return Missing(Remedy.REFUSED, text)
    if not isinstance(outcome, Injected):
        return None
    text = "it asks for a proxy and was made while no webhook answered"
    if runs_once(parsed(body).frame):
        return Missing(Remedy.PERSON, f"{text}: run its Job again")
    if not owner_of(body["metadata"]):
        return Missing(Remedy.PERSON, f"{text}: delete it and make it again")
    return Missing(Remedy.RESTART, f"{text}: it gets the proxy when it is made again")


def owner_of(metadata: JSON) -> str:
    """Uid of the controller that makes a pod again; "" when nobody does."""
    owners = metadata.get("ownerReferences") or ()
    return next((str(owner.get("uid", "")) for owner in owners if owner.get("controller")), "")
