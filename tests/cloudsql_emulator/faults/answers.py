"""Answers that a client of Google's APIs may meet and seldom expects, by names; shapes as public reports show them.

GUESS where it is said so; elsewhere only projects, numbers and names were changed.
Source: public issue reports with whole bodies; google.api.ErrorReason; the error page of Google's front end
"""

import html
from collections.abc import Mapping
from typing import Any, Final

NUMBER = "123456789012"
"""The project number in these answers."""

_NOT_UNDERSTOOD = "Your client has issued a malformed or illegal request."


def _page(code: int, title: str, told: str) -> str:
    """The page that Google's front end shows when no API was reached."""
    return (
        "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n"
        '  <meta name=viewport content="initial-scale=1, minimum-scale=1, width=device-width">\n'
        f"  <title>Error {code} ({title})!!1</title>\n"
        "  <a href=//www.google.com/><span id=logo aria-label=Google></span></a>\n"
        f"  <p><b>{code}.</b> <ins>That’s an error.</ins>\n"
        f"  <p>{told}  <ins>That’s all we know.</ins>\n"
    )


def page_not_found(path: str) -> str:
    """The page for a path that no API has, nor a method of that verb there."""
    return _page(404, "Not Found", f"The requested URL <code>{html.escape(path)}</code> was not found on this server.")


def _envelope(code: int, message: str, reason: str, *, domain: str = "global", **more: Any) -> Mapping[str, Any]:
    listed = [{"message": message, "domain": domain, "reason": reason}]
    return {"status": code, "body": {"error": {"code": code, "message": message, "errors": listed, **more}}}


def _denied(message: str, reason: str, cause: str, **metadata: str) -> Mapping[str, Any]:
    told = {"service": "${service}", "consumer": f"projects/{NUMBER}", **metadata}
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "domain": "googleapis.com", "metadata": told}
    details = [{**info, "reason": cause}]
    return _envelope(403, message, reason, status="PERMISSION_DENIED", details=details)


def _perimeter() -> Mapping[str, Any]:
    message = "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: ${unique}"
    answer = _denied(message, "forbidden", "SECURITY_POLICY_VIOLATED", uid="${unique}")
    violation = {"type": "VPC_SERVICE_CONTROLS", "description": "${unique}"}
    failed = {"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": [violation]}
    answer["body"]["error"]["details"].insert(0, failed)
    return answer


_CONSOLE = "https://console.developers.google.com"
_SERVICE_DISABLED = (
    f"${{service}} has not been used in project {NUMBER} before or it is disabled. Enable it by visiting "
    f"{_CONSOLE}/apis/api/${{service}}/overview?project={NUMBER} then retry. If you enabled this API recently, wait a "
    "few minutes for the action to propagate to our systems and retry."
)
_BILLING = (
    f"This API method requires billing to be enabled. Please enable billing on project #{NUMBER} by visiting "
    f"{_CONSOLE}/billing/enable?project={NUMBER} then retry. If you enabled billing for this project recently, wait a "
    "few minutes for the action to propagate to our systems and retry."
)
_QUOTA_PROJECT = (
    f"Caller does not have required permission to use project {NUMBER}. Grant the caller the "
    "roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use permission, by "
    f"visiting {_CONSOLE}/iam-admin/iam/project?project={NUMBER} and then retry. Propagation of the new permission may "
    "take a few minutes."
)
_QUOTA = (
    "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service '${service}' for "
    f"consumer 'project_number:{NUMBER}'."
)
_TOO_MANY = _envelope(429, _QUOTA, "rateLimitExceeded", status="RESOURCE_EXHAUSTED")
_CREDENTIALS = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
_OTHER_KIND: Mapping[str, Any] = {"timestamp": 1, "status": 404, "error": "Not Found", "path": "${path}"}
"""What some gateway between says, whose "error" is no object."""

ANSWERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "400 bare JSON": {"status": 400, "body": {"error": {"code": 400, "status": "INVALID_ARGUMENT"}}},
    "400 empty JSON": {"status": 400, "body": {}},
    "400 unknown words": _envelope(
        400, "Request contains an invalid argument.", "badRequest", status="INVALID_ARGUMENT"
    ),
    "400 HTML": {"status": 400, "body": _page(400, "Bad Request", _NOT_UNDERSTOOD)},
    "401": _envelope(401, _CREDENTIALS, "authError", status="UNAUTHENTICATED"),
    "403 bare": _envelope(403, "The caller does not have permission", "forbidden", status="PERMISSION_DENIED"),
    "403 HTML": {"status": 403, "body": _page(403, "Forbidden", "Your client does not have permission to get this.")},
    "403 VPC Service Controls": _perimeter(),
    "403 API disabled": _denied(_SERVICE_DISABLED, "accessNotConfigured", "SERVICE_DISABLED"),
    "403 billing disabled": _denied(_BILLING, "forbidden", "BILLING_DISABLED"),
    "403 quota project": _denied(_QUOTA_PROJECT, "forbidden", "USER_PROJECT_DENIED"),
    "404 HTML": {"status": 404, "body": page_not_found("${path}")},
    "404 JSON of another kind": {"status": 404, "body": _OTHER_KIND},
    "404 unknown words": _envelope(404, "Requested entity was not found.", "notFound", status="NOT_FOUND"),
    "409": _envelope(409, "The instance or operation is not in an appropriate state.", "invalidState"),  # GUESS: words
    "412": _envelope(412, "The resource has been modified.", "staleData"),  # GUESS: words
    "422": _envelope(422, "Unprocessable entity.", "invalidValue"),  # GUESS: words
    "429 in seconds": {**_TOO_MANY, "headers": {"Retry-After": "7"}},
    "429 at a date": {**_TOO_MANY, "headers": {"Retry-After": "${later}"}},
    "500": _envelope(500, "Internal error encountered.", "backendError", status="INTERNAL"),
    "502 HTML": {"status": 502, "body": _page(502, "Server Error", "The server encountered a temporary error.")},
    "503": _envelope(503, "The service is currently unavailable.", "backendError", status="UNAVAILABLE"),
    "200 HTML": {"status": 200, "body": "<!DOCTYPE html><html><body>Sign in to the network</body></html>"},
    "200 empty object": {"status": 200, "body": {}},
    "200 list": {"status": 200, "body": []},
    "200 half a body": {
        "status": 200,
        "body": {"kind": "half", "etag": "BwXy", "items": [], "bindings": []},
        "half": True,
    },
    "reset before": {"drop": True},
    "reset after": {"drop": True, "after": True},
}
"""Fields of a Fault by the answer's name; `match`, `times` and `caller` are the test's."""
