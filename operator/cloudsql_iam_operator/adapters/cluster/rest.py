"""Plain JSON requests to the API server, by path. For processes that must stay small: no models are loaded.

How to reach it and how to log in is the client's: its configuration and its connections. Its own requests over these
take a quarter more of the processor's time: they copy every body piece by piece, for models that there are none of.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import kubernetes.client
import kubernetes.config
import orjson
import urllib3

from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason

JSON = dict[str, Any]
Limits = tuple[float, float]
"""Seconds: to connect, and between two pieces of an answer."""

CONNECTIONS = 32
"""Connections kept for reuse: more than the threads and watches of one process, 16 and a few. One beyond these is
closed after its answer, and urllib3 warns of each."""

_NONE: Mapping[str, str] = {}


class Answered(NotYet):
    """The API server answered with an error status."""

    def __init__(self, status: int, what: str, words: str) -> None:
        text = f"the API server answered {status} to: {what}: {words}"
        super().__init__(Reason.PROGRESSING_WITH_RETRY, text)
        self.status = status


class Unreachable(NotYet):
    """The API server did not answer in time, or not at all."""

    def __init__(self, what: str, error: Exception) -> None:
        text = f"the API server could not be reached to: {what} ({type(error).__name__})"
        super().__init__(Reason.PROGRESSING_WITH_RETRY, text)


def connect() -> "Rest":
    """The API server of the cluster this process runs in, or of the one that KUBECONFIG names.

    Raises:
        kubernetes.config.ConfigException: neither is there.
    """
    try:
        kubernetes.config.load_incluster_config()
    except kubernetes.config.ConfigException:
        kubernetes.config.load_kube_config()
    configuration = kubernetes.client.Configuration.get_default_copy()
    configuration.connection_pool_maxsize = CONNECTIONS
    # as it is: else the environment is searched for one at each look at the token, which sets the host again
    configuration.proxy = configuration.proxy
    return Rest(kubernetes.client.ApiClient(configuration))


class Rest:
    """Requests over one pool of connections, as whoever the client logs in as. Safe to share between threads."""

    def __init__(self, client: Any) -> None:
        self._configuration = client.configuration
        self._headers: Mapping[str, str] = client.default_headers
        self._pool: urllib3.PoolManager = client.rest_client.pool_manager

    def get(
        self, path: str, limits: Limits, query: Mapping[str, str] = _NONE, accept: str = "application/json"
    ) -> JSON:
        """The JSON at the path, in the form that `accept` names.

        Raises:
            Answered: with an error status.
            Unreachable: in time there was no answer.
        """
        return _decoded(self.stream(path, limits, query, accept), f"GET {path}")

    def stream(
        self, path: str, limits: Limits, query: Mapping[str, str] = _NONE, accept: str = "application/json"
    ) -> urllib3.BaseHTTPResponse:
        """The response at the path, its body not read yet.

        Raises:
            Answered: with an error status.
            Unreachable: in time there was no answer.
        """
        return self._response("GET", _with(query, path), limits, {"Accept": accept})

    def pages(
        self, path: str, limits: Limits, size: int, query: Mapping[str, str] = _NONE, accept: str = "application/json"
    ) -> Iterator[JSON]:
        """Each item of a list, read `size` at a time: no more than one page is held.

        Raises:
            Answered: with an error status.
            Unreachable: in time there was no answer.
        """
        asked = {**query, "limit": str(size)}
        while True:
            page = self.get(path, limits, asked, accept)
            yield from page["items"] or ()  # null when metadata was asked for and there is none
            token = page["metadata"].get("continue")
            if not token:
                return
            asked |= {"continue": token}

    def send(self, method: str, path: str, limits: Limits, body: object) -> JSON:
        """The answer to a write; a list as body is a JSON Patch.

        Raises:
            Answered: with an error status.
            Unreachable: in time there was no answer.
        """
        content = "application/json-patch+json" if isinstance(body, list) else "application/json"
        headers = {"Accept": "application/json", "Content-Type": content}
        response = self._response(method, path, limits, headers, json.dumps(body))
        return _decoded(response, f"{method} {path}")

    def apply(self, path: str, limits: Limits, body: JSON, manager: str) -> JSON:
        """The object after a server-side apply, which takes over what other managers hold of these fields.

        Raises:
            Answered: with an error status.
            Unreachable: in time there was no answer.
        """
        headers = {"Accept": "application/json", "Content-Type": "application/apply-patch+yaml"}
        query = {"fieldManager": manager, "force": "true"}
        response = self._response("PATCH", _with(query, path), limits, headers, json.dumps(body))
        return _decoded(response, f"PATCH {path}")

    def _response(
        self, method: str, path: str, limits: Limits, headers: Mapping[str, str], body: str | None = None
    ) -> urllib3.BaseHTTPResponse:
        url, what = self._configuration.host + path, f"{method} {path.partition('?')[0]}"
        sent = {**self._headers, **headers, **self._login()}
        timeout = urllib3.Timeout(connect=limits[0], read=limits[1])
        try:
            response = self._pool.urlopen(method, url, body=body, headers=sent, timeout=timeout, preload_content=False)
            refusal = _words(response) if response.status >= 400 else ""
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(what, error) from error
        if response.status >= 400:
            raise Answered(response.status, what, refusal)
        return response

    def _login(self) -> Mapping[str, str]:
        """The header with the token, which is renewed in time; none where the connection is the login."""
        token = self._configuration.auth_settings().get("BearerToken")
        return {token["key"]: token["value"]} if token else _NONE


def _with(query: Mapping[str, str], path: str) -> str:
    return f"{path}?{urlencode(query, quote_via=quote)}" if query else path


def _words(response: urllib3.BaseHTTPResponse) -> str:
    """The server's own explanation of an error; reads the rest of the answer."""
    try:
        return str(orjson.loads(response.data)["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "no explanation"


def _decoded(response: urllib3.BaseHTTPResponse, what: str) -> JSON:
    try:
        body: JSON = orjson.loads(response.data)
    except (urllib3.exceptions.HTTPError, orjson.JSONDecodeError) as error:
        raise Unreachable(what, error) from error
    return body
