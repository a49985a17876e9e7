"""What the metadata server of the machine, or of GKE, tells of where this process runs."""

import functools
import os
import re
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException

import httplib2

from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason

METADATA_SECONDS = 5.0
_PROJECT = re.compile(r"[a-z0-9.:-]{1,100}")
_REMEDY = "set the chart's value operator.workloadPool to PROJECT.svc.id.goog of this cluster"


def here() -> tuple[str, str]:
    """Namespace and name of the ServiceAccount that this process runs as, which the chart tells."""
    return os.environ.get("POD_NAMESPACE") or "NAMESPACE", os.environ.get("POD_SERVICE_ACCOUNT") or "SERVICEACCOUNT"


def metadata_host() -> str:
    """Where the metadata server is asked for."""
    return os.environ.get("GCE_METADATA_HOST") or "metadata.google.internal"


def workload_pool(configured: str) -> Callable[[], str]:
    """The cluster's workload pool, `PROJECT.svc.id.goog`: as configured, else that of the project this process runs in.

    Credentials are not asked: their project may be another, and the pool decides who may act as whom. The function that
    is returned asks once, and raises NotYet when there is no telling.
    """

    @functools.cache
    def pool() -> str:
        return configured or f"{_project()}.svc.id.goog"

    return pool


def _project() -> str:
    """The project of the cluster that this process runs in.

    Raises:
        NotYet: there is no metadata server, or it says nothing that is a project's name.
    Source: Compute Engine, "Metadata server": every answer carries the header Metadata-Flavor
    """
    address = f"http://{metadata_host()}/computeMetadata/v1/project/project-id"
    try:
        # no proxy of the environment's: what answers must be the machine itself
        plain = httplib2.Http(timeout=METADATA_SECONDS, proxy_info=None)
        answer, content = plain.request(address, headers={"Metadata-Flavor": "Google"})
    except (httplib2.HttpLib2Error, HTTPException, OSError) as error:
        text = f"the project of this cluster is not known, for no metadata server answers ({type(error).__name__})"
        raise NotYet(Reason.GOOGLE_UNREACHABLE, f"{text}: {_REMEDY}") from None
    project: str = content.decode(errors="replace").strip()
    told = answer.status == HTTPStatus.OK and answer.get("metadata-flavor") == "Google"
    if not told or _PROJECT.fullmatch(project) is None:
        text = "the project of this cluster is not known: what answers for the metadata server names none"
        raise NotYet(Reason.UNEXPECTED_ANSWER, f"{text}: {_REMEDY}")
    return project
