"""One call to a Google API: made, counted, fenced, and its failure translated. Which calls there are is elsewhere."""

import functools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

import httplib2
from google.api_core.universe import EmptyUniverseError, UniverseMismatchError
from google.auth.exceptions import GoogleAuthError
from googleapiclient import discovery
from googleapiclient.errors import HttpError

from cloudsql_iam_operator.adapters.google.answers import Errand, not_understood, refusal
from cloudsql_iam_operator.adapters.google.credential_errors import no_token
from cloudsql_iam_operator.adapters.google.credentials import Identity
from cloudsql_iam_operator.adapters.google.web_proxy import NotThrough
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason

Fence = Callable[[], None]
"""Called right before every write; raises when this process may not write any more."""

Build = Callable[[Any], Any]
"""Makes a request of the collection that has the errand's method."""

Observer = Callable[[str, str, int, float], None]
"""Told of every call: service, method, HTTP status (0: no answer), seconds."""

_SELDOM = {"instances"}
"""Collections that are asked for only once in minutes, and take 1.4 MiB for each identity when they are kept."""


def unobserved(service: str, method: str, code: int, seconds: float) -> None:
    """Observe nothing."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls Google, what holds it back from writing, and who counts."""

    identity: Identity
    fence: Fence
    observer: Observer = unobserved


class API:
    """One Google API at one address. Safe to share between threads."""

    def __init__(self, service: str, version: str, address: str, caller: Caller) -> None:
        self._service = service
        self._version = version
        self._address = address
        self._caller = caller
        self._collections: dict[str, Any] = {}

    def call(self, build: Build, errand: Errand) -> Mapping[str, Any]:
        """The answer to the request that `build` makes of the collection that has the errand's method.

        Raises:
            Answered: Google refused it in a way that only the errand's own adapter may understand.
            NotYet: no answer, no token, no permission, no quota, or an answer that is not as documented.
        """
        began = time.monotonic()
        code = 0
        try:
            content = self._executed(self._request(build, errand), errand)
            code = 200
        except HttpError as error:
            code = int(error.resp.status)
            raise refusal(error, errand, self._caller.identity.asker) from error
        except (GoogleAuthError, httplib2.HttpLib2Error, HTTPException, OSError) as error:
            said = str(error) if isinstance(error, NotThrough) else type(error).__name__
            text = f"Google gave no answer to: {errand.purpose} ({said})"
            # not chained: an error of google-auth may hold a token, which a stack trace would show
            raise NotYet(Reason.GOOGLE_UNREACHABLE, text) from None
        finally:
            self._caller.observer(self._service, errand.method, code, time.monotonic() - began)
        return _as_documented(content, errand)

    def _request(self, build: Build, errand: Errand) -> Any:
        identity = self._caller.identity
        identity.renew(errand.purpose)
        try:
            request = build(self._collection(errand.method.rpartition(".")[0]))
        except (GoogleAuthError, EmptyUniverseError, UniverseMismatchError, OSError) as error:
            raise no_token(identity.asker, errand.purpose, error) from None
        request.postproc = _undecoded
        return request

    def _executed(self, request: Any, errand: Errand) -> bytes:
        """The answer's body. A token that Google does not take any more is renewed once."""
        try:
            return self._sent(request, errand)
        except HttpError as error:
            if int(error.resp.status) != HTTPStatus.UNAUTHORIZED:
                raise
        self._caller.identity.renew(errand.purpose, anew=True)
        return self._sent(request, errand)

    def _sent(self, request: Any, errand: Errand) -> bytes:
        if errand.writes:
            self._caller.fence()
        content: bytes = request.execute(http=self._caller.identity.http())
        return content

    def _collection(self, name: str) -> Any:
        """What has the methods of `name` ("projects.serviceAccounts"), kept: the client takes a millisecond for it."""
        if name in self._collections:
            return self._collections[name]
        collection = self._resources
        for part in name.split("."):
            collection = getattr(collection, part)()
        if name not in _SELDOM:
            self._collections[name] = collection
        return collection

    @functools.cached_property
    def _resources(self) -> Any:
        # static: the discovery document comes with the package, so nothing is fetched
        return discovery.build(
            self._service,
            self._version,
            http=self._caller.identity.http(),
            client_options={"api_endpoint": self._address},
            static_discovery=True,
            cache_discovery=False,
        )


def _undecoded(response: object, content: bytes) -> bytes:
    return content


def _as_documented(content: bytes, errand: Errand) -> Mapping[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if isinstance(answer, Mapping) and errand.shape(answer):
        return answer
    raise not_understood(errand, HTTPStatus.OK, content.decode(errors="replace"))
