"""How many calls a minute each caller has, when tests ask for limits; Google's own figures are here to be chosen.

Source: Cloud SQL "Quotas and limits"; Resource Manager quotas as seen in one project
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

GOOGLES = {"Connect": 1000, "Get": 500, "List": 500, "Mutate": 180, "Policy reads": 2400, "Policy writes": 600}

METRIC_OF_METHOD = {
    "sql.connect.get": "Connect",
    "sql.connect.generateEphemeral": "Connect",
    "sql.instances.get": "Get",
    "sql.users.get": "Get",
    "sql.operations.get": "Get",
    "sql.instances.list": "List",
    "sql.users.list": "List",
    "sql.operations.list": "List",
    "sql.users.insert": "Mutate",
    "sql.users.update": "Mutate",
    "sql.users.delete": "Mutate",
    "sql.sslCerts.createEphemeral": "Mutate",
    "cloudresourcemanager.projects.getIamPolicy": "Policy reads",
    "iam.projects.serviceAccounts.getIamPolicy": "Policy reads",
    "cloudresourcemanager.projects.setIamPolicy": "Policy writes",
    "iam.projects.serviceAccounts.setIamPolicy": "Policy writes",
}


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: dt.datetime


class Quotas:
    """Token buckets by caller and metric; a metric without a limit is free."""

    def __init__(self) -> None:
        self._limits: dict[str, int] = {}
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def limit(self, limits: Mapping[str, int]) -> None:
        """Replace all limits (calls a minute by metric); every bucket is full again."""
        self._limits = dict(limits)
        self._buckets.clear()

    def exceeded(self, method: str, caller: str, now: dt.datetime) -> str | None:
        """Count a call; the metric whose limit it is beyond, None when it is within."""
        metric = METRIC_OF_METHOD.get(method, "")
        limit = self._limits.get(metric)
        if limit is None:
            return None
        bucket = self._buckets.setdefault((caller, metric), _Bucket(limit, now))
        passed = (now - bucket.filled).total_seconds()
        bucket.tokens = min(limit, bucket.tokens + passed * limit / 60)
        bucket.filled = now
        if bucket.tokens < 1:
            return metric
        bucket.tokens -= 1
        return None
