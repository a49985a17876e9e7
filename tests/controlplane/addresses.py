"""Addresses of the private network that the chain lives in; not configurable, and nothing here touches the kernel.

All ranges are reserved for tests (RFC 2544, RFC 5737) but for the link-local one, which is the metadata server's own.
"""

BRIDGE = "cbr0"
POD_NETWORK = "198.18.0.0/16"
POD_PREFIX = 16
GATEWAY = "198.18.0.1"
"""The bridge's own address: the node, and what pods route through."""

SERVICE_NETWORK = "198.19.0.0/24"
API_SERVER = "198.19.0.1"
"""ClusterIP of the Service `kubernetes`; the API server binds it on 443."""

GOOGLE_NETWORK = "203.0.113.0/24"
GOOGLE_APIS = "203.0.113.1"
"""Where Google's host names lead: the emulator on 443."""

FIRST_INSTANCE = "203.0.113.7"
"""Address of the first emulated Cloud SQL instance (3307 and 5432); the next instances count up."""

METADATA = "169.254.169.254"

GOOGLE_HOSTS = (
    "sqladmin.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "oauth2.googleapis.com",
    "sts.googleapis.com",
    "serviceusage.googleapis.com",
)
METADATA_HOSTS = ("metadata.google.internal", "metadata")
