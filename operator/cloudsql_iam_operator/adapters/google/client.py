"""One call to a Google API: made, counted, fenced, and its failure translated. Which calls there are is elsewhere."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httplib2
from google.auth.exceptions import GoogleAuthError, RefreshError
from googleapiclient import discovery
from googleapiclient.errors import Error, HttpError

from cloudsql_iam_operator.adapters.google.credentials import Identity
from cloudsql_iam_operator.core.errors import Failure, NotYet, Refused
from cloudsql_iam_operator.core.reasons import Reason

Fence = Callable[[], None]
"""Called right before every write; raises when this process may not write any more."""

Observer = Callable[[str, str, int, float], None]
"""Told of every call: service, method, HTTP status (0: no answer), seconds."""

QUOTA_SECONDS = 30.0
"""When to try again after 429 without Retry-After; Google counts in windows of a minute."""

_QUOTA_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"}


def unobserved(service: str, method: str, code: int, seconds: float) -> None:
    """Observe nothing."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls Google, what holds it back from writing, and who counts."""

    identity: Identity
    fence: Fence
    observer: Observer = unobserved


@dataclass(frozen=True, slots=True)
class Errand:
    """What a call is for: its discovery name, a sentence part ("list users of …"), and the permission it takes."""

    method: str
    purpose: str
    permission: str
    denied: Reason
    writes: bool = False


class Answered(Exception):
    """Google answered with an error, not understood yet. `reason` is the API's own word for it, or its status."""

    def __init__(self, code: int, reason: str, message: str, retry_after: float | None) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class API:
    """One Google API at one address. Safe to share between threads."""

    def __init__(self, service: str, version: str, address: str, caller: Caller) -> None:
        self._service = service
        self._caller = caller
        # static: the discovery document comes with the package, so nothing is fetched
        self.resources = discovery.build(
            service,
            version,
            http=caller.identity.http(),
            client_options={"api_endpoint": address},
            static_discovery=True,
            cache_discovery=False,
        )

    def call(self, request: Any, errand: Errand) -> Mapping[str, Any]:
        """The answer to a request of this API.

        Raises:
            Answered: Google refused it in a way that only the errand's own adapter understands.
            Failure: no answer, no permission or no quota, whatever the errand.
        """
        if errand.writes:
            self._caller.fence()
        began = time.monotonic()
        code = 0
        try:
            answer: Mapping[str, Any] = request.execute(http=self._caller.identity.http())
            code = 200
        except HttpError as error:
            code = int(error.resp.status)
            answered = _answered(error)
            known = _general(answered, errand)
            if known is not None:
                raise known from error
            raise answered from error
        except RefreshError as error:
            raise _no_token(self._caller.identity, errand, error) from error
        except (GoogleAuthError, httplib2.HttpLib2Error, json.JSONDecodeError, OSError, Error) as error:
            text = f"Google gave no answer to: {errand.purpose} ({type(error).__name__})"
            raise NotYet(Reason.GOOGLE_UNREACHABLE, text) from error
        finally:
            self._caller.observer(self._service, errand.method, code, time.monotonic() - began)
        return answer


def unexpected(answered: Answered, errand: Errand) -> Failure:
    """The verdict on an answer that nobody understands."""
    text = f"Google answered {answered.code} {answered.reason} to: {errand.purpose}: {answered.message}"
    if answered.code in {409, 412}:
        return NotYet(Reason.PROGRESSING_WITH_RETRY, text)
    return Refused(Reason.INVALID_SPEC, text) if answered.code == 400 else NotYet(Reason.GOOGLE_UNREACHABLE, text)


def _answered(error: HttpError) -> Answered:
    """The answer's own words, read from the body: the library hides `errors` behind `details` when both are there."""
    try:
        body = json.loads(error.content)["error"]
        listed = [e for e in body.get("errors") or () if isinstance(e, dict)]
        reason = (listed[0].get("reason") if listed else None) or body.get("status") or ""
        message = str(body.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        reason, message = "", str(error.reason)
    return Answered(int(error.resp.status), str(reason), " ".join(message.split()), _retry_after(error))


def _retry_after(error: HttpError) -> float | None:
    text = str(error.resp.get("retry-after", ""))
    return float(text) if text.isdecimal() else None


def _general(answered: Answered, errand: Errand) -> Failure | None:
    said = f"Google answered {answered.code} to: {errand.purpose}: {answered.message}"
    quota = answered.code == 403 and answered.reason in _QUOTA_REASONS
    if answered.code == 429 or quota:
        return NotYet(Reason.QUOTA_EXCEEDED, said, answered.retry_after or QUOTA_SECONDS)
    if answered.code in {401, 403}:
        return NotYet(errand.denied, f"{said}; the operator needs {errand.permission}")
    if answered.code >= 500:
        return NotYet(Reason.GOOGLE_UNREACHABLE, said, answered.retry_after)
    return None


def _no_token(identity: Identity, errand: Errand, error: RefreshError) -> NotYet:
    # only the first argument: the second is the answer's body, which may hold a token
    said = str(error.args[0])[:200] if error.args else type(error).__name__
    return NotYet(
        errand.denied,
        f"no access token for {identity.name}, needed to: {errand.purpose} ({said}); when it is impersonated, the "
        "operator needs roles/iam.serviceAccountTokenCreator on it",
    )
