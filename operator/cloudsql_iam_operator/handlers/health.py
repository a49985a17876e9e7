"""Probes and metrics: small servers in threads of their own, so that a busy loop shows as a failed probe."""

import time
from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram

from cloudsql_iam_operator import __version__
from cloudsql_iam_operator.handlers.settings import Ports
from cloudsql_iam_operator.services.runtime.pages import Page, PageServer, metrics

STALE_SECONDS = 30.0
"""How old the event loop's heartbeat may be before the process counts as stuck."""

RECONCILES = Counter("cloudsql_iam_reconcile_total", "Looks at one object, by how they ended", ["kind", "reason"])
CHANGES = Counter("cloudsql_iam_changes_total", "What was changed outside, by kind of object", ["kind", "change"])
SECONDS = Histogram(
    "cloudsql_iam_reconcile_duration_seconds",
    "Seconds of one reconcile of one object",
    ["kind"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
CALLS = Counter("cloudsql_iam_gcp_api_requests_total", "Requests to Google's APIs", ["service", "method", "code"])
LATENCY = Histogram(
    "cloudsql_iam_gcp_api_latency_seconds", "Seconds of requests to Google's APIs", ["service", "method"]
)
ORPHANS = Gauge(
    "cloudsql_iam_orphaned_bindings", "IAM bindings under a title of the operator's that no object wants", ["project"]
)
DRIFT = Gauge("cloudsql_iam_drift", "Differences of objects that are only observed", ["kind", "what"])
QUEUE = Gauge("cloudsql_iam_queue_depth", "Objects ready to be reconciled")
LEADER = Gauge("cloudsql_iam_leader", "1 while this process leads")
BUILD = Gauge("cloudsql_iam_build_info", "1, with the version as label", ["version"])
BUILD.labels(__version__).set(1)


class Counts:
    """Counts what services report into the metrics of this module."""

    def reconciled(self, kind: str, reason: str, seconds: float) -> None:
        """One reconcile of one object ended so."""
        RECONCILES.labels(kind, reason).inc()
        SECONDS.labels(kind).observe(seconds)

    def changed(self, kind: str, change: str) -> None:
        """Something outside was changed for an object."""
        CHANGES.labels(kind, change).inc()

    def orphaned(self, project: str, bindings: int) -> None:
        """So many bindings of a project carry a title of ours, and no object wants them."""
        ORPHANS.labels(project).set(bindings)

    def drifted(self, kind: str, what: str, differences: int) -> None:
        """So many differences of this sort are known of observed objects of the kind."""
        DRIFT.labels(kind, what).set(differences)

    def called(self, service: str, method: str, code: int, seconds: float) -> None:
        """One request to Google was answered so; code 0 is no answer."""
        CALLS.labels(service, method, str(code)).inc()
        LATENCY.labels(service, method).observe(seconds)


@dataclass(slots=True)
class Pulse:
    """The event loop's heartbeat and the process's readiness, written by the loop and read by the probes."""

    beat: float = 0.0
    ready: bool = False

    def live(self) -> bool:
        """Whether the loop turned lately."""
        return time.monotonic() - self.beat < STALE_SECONDS


def serve(ports: Ports, pulse: Pulse) -> None:
    """Answer /healthz and /readyz on the health port and /metrics on theirs, until the process ends."""
    probes = {"/healthz": lambda: _probe(pulse.live()), "/readyz": lambda: _probe(pulse.ready and pulse.live())}
    PageServer(ports.health, probes).start("health")
    PageServer(ports.metrics, {"/metrics": metrics}).start("metrics")


def _probe(well: bool) -> Page:
    return Page(200 if well else 503)
