"""Kubernetes Events as bodies: whoever posts one decides what a refusal of it means."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from cloudsql_iam_operator.adapters.cluster.rest import JSON
from cloudsql_iam_operator.api.names import FIELD_MANAGER
from cloudsql_iam_operator.core.visibility import visible

NOTICE_LENGTH = 1024
"""Characters of a message that the API server takes."""


@dataclass(frozen=True, slots=True)
class Event:
    """An Event to be: its metadata.name or metadata.generateName, about which object, and what of it.

    `about` is an involvedObject. An object of no namespace has its Events in `default`.
    """

    named: Mapping[str, str]
    about: Mapping[str, Any]
    reason: str
    message: str
    warning: bool = True

    @property
    def namespace(self) -> str:
        """Where it is stored."""
        return self.about.get("namespace") or "default"

    @property
    def path(self) -> str:
        """Where it is posted."""
        return f"/api/v1/namespaces/{quote(self.namespace)}/events"

    def body(self) -> JSON:
        """As it is posted, with this moment as its time."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {**self.named, "namespace": self.namespace},
            "involvedObject": dict(self.about),
            "type": "Warning" if self.warning else "Normal",
            "reason": self.reason,
            "message": visible(self.message)[:NOTICE_LENGTH],
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
