"""What the webhook counts. Served in plain HTTP on a port of its own."""

from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

from cloudsql_iam_operator import __version__

REQUESTS = Counter(
    "cloudsql_iam_webhook_requests_total",
    "Admission requests, by how they were decided and why",
    ["operation", "decision", "reason", "dry_run"],
)
requests = lru_cache(maxsize=512)(REQUESTS.labels)
"""The count of requests by the values of its labels, which are all words of ours."""

SECONDS = Histogram(
    "cloudsql_iam_webhook_duration_seconds",
    "Seconds from a whole admission request to its answer",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
LIVE_READS = Counter(
    "cloudsql_iam_webhook_live_reads_total",
    "Reads of the API server before denying a pod, by how they ended",
    ["result"],
)
EXPIRY = Gauge("cloudsql_iam_webhook_certificate_expiry_timestamp_seconds", "When the serving certificate ends")
TRUST_WRITES = Counter(
    "cloudsql_iam_webhook_ca_bundle_writes_total", "Times that caBundle was not ours and was written"
)
CACHE_AGE = Gauge("cloudsql_iam_webhook_cache_age_seconds", "Seconds since the API server was heard from", ["resource"])
MISSING = Gauge("cloudsql_iam_webhook_pods_without_proxy", "Pods that run without the proxy that they ask for")
OUTDATED = Gauge("cloudsql_iam_webhook_outdated_sidecars", "Pods whose proxy has another image than the chart's")
RESTARTED = Counter("cloudsql_iam_webhook_pods_restarted_total", "Pods evicted to be made again with their proxy")
BUILD = Gauge("cloudsql_iam_webhook_build_info", "1, with the version as label", ["version"])
BUILD.labels(__version__).set(1)
