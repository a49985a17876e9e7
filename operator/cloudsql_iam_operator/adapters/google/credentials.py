"""Google identities that the operator acts as, and their authorised connections."""

import functools
import os
import ssl
import threading
from http.client import HTTPException
from pathlib import Path
from typing import Any

import google_auth_httplib2
import httplib2

from cloudsql_iam_operator.adapters.google.application_credentials import (
    OWN,
    application_credentials,
    asker_of,
    impersonated_from,
    own_origin,
)
from cloudsql_iam_operator.adapters.google.credential_errors import IMPERSONATED, no_token
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints
from cloudsql_iam_operator.adapters.google.web_proxy import Connection
from cloudsql_iam_operator.core.askers import Asker
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason

CALL_SECONDS = 30.0
"""Longest silence of one HTTP request."""

LOGS_IN = (
    "have the operator's ServiceAccount act as a Google service account, by its annotation "
    "iam.gke.io/gcp-service-account, or set spec.admin.database.secretRef"
)
TRUST_STORE = "/etc/ssl/certs/ca-certificates.crt"

_PUBLIC = Endpoints()
_READING = threading.Lock()


class Identity:
    """Credentials of one identity, with one authorised connection per thread. Safe to share between threads.

    `source` is the identity that acts as this one, when one does; `origin` is where its credentials come from.
    """

    def __init__(
        self,
        credentials: Any,
        name: str,
        endpoints: Endpoints | None = None,
        *,
        source: "Identity | None" = None,
        origin: str = "",
    ) -> None:
        self.credentials = credentials
        self.name = name
        self._source = source
        self._origin = origin
        self._endpoints = endpoints or Endpoints()
        self._local = threading.local()
        self._renewing = threading.Lock()

    @property
    def asker(self) -> Asker:
        """As whom Google is asked, as far as it is known by now."""
        if self._source is None:
            return asker_of(self.credentials, self._origin)
        source = self._source.asker
        return Asker(f"serviceAccount:{self.name}", IMPERSONATED + (source.member or str(source)))

    @property
    def is_known(self) -> bool:
        """Whether it is known which service account this is: a metadata server tells that with its first token."""
        is_source_known = self._source is None or self._source.is_known
        return is_source_known and self.credentials.token is not None

    def accounts(self) -> tuple[str, ...]:
        """E-mail addresses of the service accounts that it is and that it acts through, as far as anybody knows them.

        Raises:
            NotYet: a token would tell, and could not be had.
        """
        if self._source is not None:
            return (self.name, *self._source.accounts())
        self._learn()
        return (self.asker.email,) if self.asker.email else ()

    def http(self) -> Any:
        """This thread's connection: httplib2 is not made for sharing."""
        if not hasattr(self._local, "http"):
            plain = _Http(timeout=CALL_SECONDS, ca_certs=trust_store(), proxy_info=None)  # see web_proxy
            plain.iam_credentials = self._endpoints.iam_credentials
            # who calls renews tokens: what fails then is told apart from what fails in the call
            self._local.http = google_auth_httplib2.AuthorizedHttp(
                self.credentials, http=plain, refresh_status_codes=()
            )
        return self._local.http

    def renew(self, purpose: str, *, anew: bool = False) -> None:
        """Have an access token that is good for a call; with `anew`, one that was not used before.

        Raises:
            NotYet: there is none to be had.
        """
        if self._source is not None:
            self._source.renew(purpose)  # what its own source lacks is not told as a refusal to act as it
        with self._renewing:
            if self.credentials.valid and not anew:
                return
            try:
                self.credentials.refresh(google_auth_httplib2.Request(self.http().http))
            except Exception as error:  # noqa: BLE001 - google-auth lets through whatever an odd answer makes it stumble on
                raise no_token(self.asker, purpose, error) from None

    def email(self) -> str:
        """E-mail of the service account that this identity is.

        Raises:
            NotYet: it is no service account's, or its token could not be had.
        """
        self._learn()
        email = str(getattr(self.credentials, "service_account_email", "") or "")
        if "@" not in email:
            text = f"{self.asker} is no service account, which a database login by IAM needs"
            raise NotYet(Reason.DATABASE_LOGIN_FAILED, f"{text}: {LOGS_IN}")
        return email

    def _learn(self) -> None:
        if not self.is_known:
            self.renew("learn which service account it is")


class _SentOnce:
    """A connection on which silence is an error: httplib2 sends a request again that got no answer."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def getresponse(self) -> Any:
        """As the connection's."""
        try:
            return self._connection.getresponse()
        except HTTPException:
            raise ConnectionResetError("no answer to a request that was sent") from None


class _Connection(Connection):
    """A connection that trusts by the one store of this process.

    httplib2's own reads all authorities anew for each connection: 25 ms and a MiB, for each thread and host. It also
    knows web proxies only by another library.
    """

    def __init__(self, host: str, timeout: float | None, proxy_info: object) -> None:
        with _READING:  # threads that begin together would each keep what they read
            context = _trust(trust_store() or httplib2.CA_CERTS)
        super().__init__(host, timeout, context)


@functools.cache
def _trust(store: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificates and names
    context.load_verify_locations(store)
    return context


class _Http(httplib2.Http):  # type: ignore[misc] # the library is untyped
    """httplib2's, which also sends to the endpoint that is set what google-auth asks of iamcredentials on its own.

    google-auth looks up a service account's allowed locations at the public address, whatever endpoint it was given.
    A policy is never sent twice: what was written, its answer lost, would be answered as somebody else's change.
    """

    iam_credentials = _PUBLIC.iam_credentials

    def request(self, uri: str, *args: Any, **options: Any) -> Any:
        """As httplib2's."""
        public = _PUBLIC.iam_credentials + "/"
        if uri.startswith(public):
            uri = f"{self.iam_credentials}/{uri.removeprefix(public)}"
        options["connection_type"] = _Connection if uri.startswith("https:") else None
        return super().request(uri, *args, **options)

    def _conn_request(self, conn: Any, request_uri: str, method: str, body: Any, headers: Any) -> Any:
        if not request_uri.partition("?")[0].endswith(":setIamPolicy"):
            return super()._conn_request(conn, request_uri, method, body, headers)
        conn.close()  # one that lay idle may be dead, and only sending would tell
        return super()._conn_request(_SentOnce(conn), request_uri, method, body, headers)


def own_identity(endpoints: Endpoints) -> Identity:
    """The identity this process runs as.

    Raises:
        NotYet: there are no credentials, or none that can be used.
    """
    return Identity(application_credentials(endpoints), OWN, endpoints, origin=own_origin())


def impersonated(identity: Identity, email: str, endpoints: Endpoints) -> Identity:
    """The identity of a service account that `identity` may act as (roles/iam.serviceAccountTokenCreator)."""
    return Identity(impersonated_from(identity.credentials, email, endpoints), email, endpoints, source=identity)


def trust_store() -> str | None:
    """The file of certificate authorities to trust; None leaves it to httplib2.

    httplib2 reads only the bundle that the package certifi carries, so an authority that the administrator put into
    the system's trust store (a TLS-inspecting proxy, a private endpoint) would not count.
    """
    for name in ("HTTPLIB2_CA_CERTS", "SSL_CERT_FILE"):
        if os.environ.get(name):
            return os.environ[name]
    return TRUST_STORE if Path(TRUST_STORE).exists() else None
