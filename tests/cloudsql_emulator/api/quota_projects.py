"""The project that a call is counted against when its caller names one, which takes a permission there.

Source: "Set the quota project"; the words as quoted in public issues
"""

from aiohttp import web

from cloudsql_emulator.api.errors import ApiError, error_info
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.iam.access import project_resource

HEADER = "X-Goog-User-Project"
PERMISSION = "serviceusage.services.use"


def named_by(request: web.Request) -> str:
    """The project's id or number; "" when the caller names none."""
    query = request.query
    return request.headers.get(HEADER, query.get("$userProject", query.get("userProject", "")))


def check_quota_project(cloud: Cloud, caller: str, named: str, service: str) -> None:
    """Let a call go on if its caller may use the quota project; "" is always fine.

    Raises:
        ApiError: there is no such project, or no permission; Google does not tell which.
    """
    project = cloud.project(named)
    if not named or (project and cloud.access.holds(caller, PERMISSION, project_resource(project.id))):
        return
    message = (
        f"Caller does not have required permission to use project {named}. Grant the caller the "
        f"roles/serviceusage.serviceUsageConsumer role, or a custom role with the {PERMISSION} permission, by visiting "
        f"https://console.developers.google.com/iam-admin/iam/project?project={named} and then retry. Propagation of "
        "the new permission may take a few minutes."
    )
    info = error_info("USER_PROJECT_DENIED", {"service": service, "consumer": f"projects/{named}"})
    raise ApiError(403, "forbidden", message, status="PERMISSION_DENIED", details=[info])
