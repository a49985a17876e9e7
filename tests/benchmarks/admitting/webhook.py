"""The webhook itself: its server, its planner and its copies of a cluster."""

import sys
import threading
import time

import kubernetes.client

from cloudsql_iam_operator.adapters.cluster.admission import AdmissionCluster
from cloudsql_iam_operator.adapters.cluster.rest import Rest
from cloudsql_iam_operator.services.runtime.threads import SWITCH_SECONDS
from cloudsql_iam_operator.webhook.collector import spare_what_stands
from cloudsql_iam_operator.webhook.knowledge import Knowledge
from cloudsql_iam_operator.webhook.surroundings import Surrounded
from support.webhookparts.server import PATIENCE, Running


def serve(port: int | None) -> tuple[int, bytes]:
    """Start it in a thread, set up as its process is; its port and what to trust.

    It watches the API server on that port, or knows of one user without one.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    running = Running(source=None if port is None else _watching(port))
    spare_what_stands()
    return running.port, running.certificates.bundle


def _watching(port: int) -> Surrounded:
    """What the webhook knows of a cluster whose API server is there, complete."""
    configuration = kubernetes.client.Configuration(host=f"http://127.0.0.1:{port}")
    cluster = AdmissionCluster(Rest(kubernetes.client.ApiClient(configuration)))
    source = Surrounded(Knowledge(cluster), cluster)
    source.start(threading.Event())
    end = time.monotonic() + PATIENCE
    while not source.complete():
        if time.monotonic() > end:
            raise RuntimeError("the lists of the cluster did not come")
        time.sleep(0.01)
    return source
