"""What it means when there is no connection: what Google's connector died of, or PostgreSQL said to a login."""

import re
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from google.auth.exceptions import GoogleAuthError
from google.cloud.sql.connector import exceptions as connector

from cloudsql_iam_operator.adapters.google.credential_errors import no_token
from cloudsql_iam_operator.core.askers import Asker, on_cloud_sql, on_login
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.excerpts import excerpt
from cloudsql_iam_operator.core.gcloud import SERVICE_ACCOUNT_TYPE, create_user, set_password
from cloudsql_iam_operator.core.reasons import Reason

_MISREAD = (KeyError, TypeError, AttributeError, UnboundLocalError)
"""What the connector dies of when an answer is not as documented, or no JSON."""

CONNECTOR_ERRORS = (
    aiohttp.ClientError,
    GoogleAuthError,
    OSError,
    TimeoutError,
    ValueError,
    *_MISREAD,
    connector.AutoIAMAuthNotSupported,
    connector.CacheClosedError,
    connector.ClosedConnectorError,
    connector.CloudSQLConnectionError,
    connector.CloudSQLIPTypeError,
    connector.DnsResolutionError,
    connector.IncompatibleDriverError,
    connector.RefreshNotValidError,
    connector.TLSVersionError,
)
"""All that the connector raises when something outside is not as it should be."""


SAID = 400
"""Characters shown of what a server says to a login."""

_WAY = re.compile(r"connection failed: connection to server .*? failed: (?:FATAL:\s+)?")


class NoConnect(NotYet):
    """The login is good, and its user may not connect to this one database."""


@dataclass(frozen=True, slots=True)
class Login:
    """One try to log in: to which instance (`PROJECT:REGION:NAME`), as which user, by whose identity.

    `asker` is None where a password is used.
    """

    instance: str
    user: str
    database: str
    asker: Asker | None = None

    @property
    def project(self) -> str:
        """The instance's project, which may have a colon of its own."""
        return self.instance.rsplit(":", 2)[0]

    @property
    def name(self) -> str:
        """The instance's name in its project."""
        return self.instance.rsplit(":", 1)[-1]


def connector_failure(login: Login, error: Exception) -> NotYet:
    """The verdict on an instance that the connector gives no connection to."""
    instance, asker = login.instance, login.asker or Asker("")
    if isinstance(error, GoogleAuthError) or "universe domain" in str(error):
        return no_token(asker, f"log in to {instance}", error)
    if isinstance(error, aiohttp.ClientResponseError):
        return _answered(login, asker, error)
    if isinstance(error, _MISREAD):
        text = f"the connector cannot read what Google answered about {instance} ({type(error).__name__})"
        return NotYet(Reason.UNEXPECTED_ANSWER, text)
    said = excerpt(str(error)) or "no reason was given"
    return NotYet(Reason.DATABASE_UNREACHABLE, f"{instance} cannot be reached: {type(error).__name__}: {said}")


def _answered(login: Login, asker: Asker, error: aiohttp.ClientResponseError) -> NotYet:
    # only its status and message: the error's own text carries the whole URL
    said, instance = excerpt(error.message), login.instance
    if "vpcServiceControls" in error.message:
        text = f"a service perimeter keeps {asker} from {instance}: {said}"
        return NotYet(Reason.VPC_SERVICE_CONTROLS, text)
    if error.status == HTTPStatus.FORBIDDEN:
        need = on_cloud_sql(_CONNECTS, login.project, login.name)
        text = f"no client certificate for {instance}; {need.lacked_by(asker)}. Google said: {said}"
        return NotYet(Reason.ADMIN_PERMISSION_DENIED, text)
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return NotYet(Reason.QUOTA_EXCEEDED, f"no client certificate for {instance}: {said}")
    return NotYet(Reason.DATABASE_UNREACHABLE, f"{instance} cannot be reached: Google answered {error.status}: {said}")


_CONNECTS = "cloudsql.instances.connect and cloudsql.instances.get"


_REFUSALS = (
    "authentication failed",
    "pg_hba.conf",
    "does not exist",
    "no password",
    "not permitted to log in",
)
"""Words of a server that has answered, and lets this user not in."""


def login_failure(login: Login, said: str) -> NotYet:
    """The verdict on a login that PostgreSQL did not take, by what it said.

    psycopg gives no SQLSTATE for what happens while connecting, so the words have to do.
    """
    instance, user, database = login.instance, login.user, login.database
    line = _reason(said)
    if f'database "{database}" does not exist' in said:
        return NotYet(Reason.DATABASE_NOT_FOUND, f"database {database!r} does not exist on {instance}: create it")
    if "permission denied for database" in said:
        text = f"{user!r} may not connect to database {database!r} on {instance}: grant it CONNECT"
        return NoConnect(Reason.DATABASE_LOGIN_FAILED, text)
    if "read-only transaction" in said:
        text = (
            f"an event trigger of database {database!r} on {instance} writes at login, where the operator lets nobody "
            f"write as itself ({line}): have its function return where transaction_read_only is on, or drop the trigger"
        )
        return NotYet(Reason.EVENT_TRIGGER_NOT_TRUSTED, text)
    if "not currently accepting connections" in said:
        return NotYet(Reason.DATABASE_UNREACHABLE, f"database {database!r} on {instance} accepts no connections")
    if any(words in said for words in _REFUSALS):
        return NotYet(
            Reason.DATABASE_LOGIN_FAILED,
            f"login to {instance} as {user!r} failed; {_let_in(login, said)}. It said: {line}",
        )
    return NotYet(Reason.DATABASE_UNREACHABLE, f"{instance} cannot be reached: {line}")


def _let_in(login: Login, said: str) -> str:
    """What a refused login lacks, and the command that gives it.

    Source: Cloud SQL says "Cloud SQL IAM … authentication failed" of a user that it has, and otherwise "password …"
    """
    where = login.project, login.name
    if login.asker is None:
        command = set_password(login.user, *where)
        return (
            f"the user must exist and its password be that of the Secret, which was used; to set it: {command}, "
            "then write it into the Secret"
        )
    if "Cloud SQL IAM" in said:
        return f"the user exists; {on_login(login.project).lacked_by(login.asker)}, which takes minutes to act"
    return (
        f"asked as {login.asker}; the instance must have that user, of type {SERVICE_ACCOUNT_TYPE}; to make it: "
        f"{create_user(login.user, *where)}"
    )


def _reason(said: str) -> str:
    """The server's own words without the way they came: that names a socket that is new with every try."""
    line = _first_line(said)
    found = _WAY.match(line)
    return excerpt(line[found.end() :] if found else line, SAID)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason was given")
