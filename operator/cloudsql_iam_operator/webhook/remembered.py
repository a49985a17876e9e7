"""Plans that were made before, for pods that differ in nothing that a plan depends on: replicas of one template."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from cloudsql_iam_operator.core.injection.facts import Facts
from cloudsql_iam_operator.core.injection.outcome import Injected, Outcome
from cloudsql_iam_operator.core.injection.plan import plan
from cloudsql_iam_operator.core.injection.settings import InjectionSettings

MOST_BYTES = 4 * 1024 * 1024
"""Of all pods that are remembered, as JSON."""

LARGEST = 64 * 1024
"""Bytes of a pod that is remembered."""

_TOKEN_VOLUME = re.compile(r"kube-api-access-[a-z0-9]{5}")
"""Name of the volume with the pod's token: each has its own. Source: Kubernetes, admission plugin ServiceAccount."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A plan, and the very facts that it was made by: other ones may be other facts."""

    facts: Facts
    outcome: Injected


class Remembered:
    """Plans pods, and gives the plan of an equal pod by the same facts without making it again.

    Only injections are kept: all else names the pod, or is rare. Belongs to the event loop.
    """

    def __init__(self, settings: InjectionSettings) -> None:
        self._settings = settings
        self._plans: OrderedDict[bytes, _Plan] = OrderedDict()
        self.held = 0

    def plan(self, body: Mapping[str, Any], facts: Facts) -> Outcome:
        """What `core.injection.plan` says to the pod.

        Raises:
            MalformedPod: the body is no pod.
        """
        key = _key(body)
        found = self._plans.get(key)
        if found is not None and found.facts is facts:
            self._plans.move_to_end(key)
            return found.outcome
        outcome = plan(body, facts, self._settings)
        if isinstance(outcome, Injected) and 0 < len(key) <= LARGEST:
            self._keep(key, _Plan(facts, outcome))
        return outcome

    def _keep(self, key: bytes, made: _Plan) -> None:
        if key not in self._plans:
            self.held += len(key)
        self._plans[key] = made
        self._plans.move_to_end(key)
        while self.held > MOST_BYTES:
            oldest, _ = self._plans.popitem(last=False)
            self.held -= len(oldest)


def _key(body: Mapping[str, Any]) -> bytes:
    """All of the pod that a plan depends on, as bytes; b"" when it has not the shape of one."""
    metadata, spec = body.get("metadata"), body.get("spec")
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        return b""
    names = [metadata.get(name) for name in ("name", "generateName", "annotations", "ownerReferences")]
    written = orjson.dumps([names, spec])
    token = _token_volume(spec.get("volumes"))
    return written.replace(b'"name":"%s"' % token, b'"name":""') if token else written


def _token_volume(volumes: Any) -> bytes:
    for volume in reversed(volumes) if isinstance(volumes, list) else ():
        name = volume.get("name") if isinstance(volume, dict) and "projected" in volume else None
        if isinstance(name, str) and _TOKEN_VOLUME.fullmatch(name):
            return name.encode()
    return b""
