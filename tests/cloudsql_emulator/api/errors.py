"""Refusals in Google's envelope and words; who refuses what is in the modules of the single APIs."""

from collections.abc import Mapping, Sequence
from typing import Any

STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class ApiError(Exception):
    """An answer that is no success. Without `status` it looks like the Admin API's, which names only a reason."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        status: str | None = None,
        details: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.status = status
        self.details = details

    def body(self) -> dict[str, Any]:
        """The answer as JSON.

        Source: Cloud SQL Admin API error messages; google.rpc.Status
        """
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "errors": [{"message": self.message, "domain": "global", "reason": self.reason}],
        }
        if self.status:
            error["status"] = self.status
        if self.details:
            error["details"] = list(self.details)
        return {"error": error}


def invalid(message: str) -> ApiError:
    """The Admin API's 400 in the form that nearly all its refusals have."""
    return ApiError(400, "invalid", f"Invalid request: {message}")


def not_authorized() -> ApiError:
    """The Admin API's answer to those without permission, and for projects that do not exist."""
    return ApiError(403, "notAuthorized", "The client is not authorized to make this request.")


def no_such_instance() -> ApiError:
    """The Admin API's answer for an instance that does not exist."""
    return ApiError(404, "instanceDoesNotExist", "The Cloud SQL instance does not exist.")


def not_running() -> ApiError:
    """The Admin API's answer for an instance that is stopped."""
    return invalid("Invalid request since instance is not running.")


def operation_in_progress() -> ApiError:
    """The Admin API's answer while another operation runs on the instance."""
    message = "Operation failed because another operation was already in progress."
    return ApiError(409, "operationInProgress", message)


def platform(code: int, reason: str, message: str, **metadata: str) -> ApiError:
    """A refusal of the newer APIs: with a status, and details when there is metadata."""
    details = [error_info(reason, metadata)] if metadata else []
    return ApiError(code, reason, message, status=STATUS[code], details=details)


def error_info(reason: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """google.rpc.ErrorInfo."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": dict(metadata),
    }


def unauthenticated(message: str) -> ApiError:
    """Nobody is known to call."""
    return platform(401, "authError", message)


NO_CREDENTIAL = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other "
    "valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
BAD_CREDENTIAL = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
    "valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)


def insufficient_scopes(service: str, method: str) -> ApiError:
    """A valid token that was not made for this API."""
    metadata = {"method": method, "service": service}
    return ApiError(
        403,
        "insufficientPermissions",
        "Request had insufficient authentication scopes.",
        status="PERMISSION_DENIED",
        details=[error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", metadata)],
    )


def quota_exceeded(metric: str, service: str, consumer: str) -> ApiError:
    """Too many calls in a minute."""
    limit = f"{metric} per minute per user"
    return ApiError(
        429,
        "rateLimitExceeded",
        f"Quota exceeded for quota metric '{metric}' and limit '{limit}' of service '{service}' for consumer "
        f"'project_number:{consumer}'.",
        status="RESOURCE_EXHAUSTED",
        details=[
            error_info(
                "RATE_LIMIT_EXCEEDED",
                {"service": service, "quota_limit": limit, "consumer": f"projects/{consumer}", "quota_metric": metric},
            )
        ],
    )
