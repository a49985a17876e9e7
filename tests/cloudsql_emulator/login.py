"""Who may log in to an emulated instance and what is said to those who may not; sockets are in `dataplane`.

The words are those of Cloud SQL for PostgreSQL. What no public source says is marked GUESS.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from cloudsql_emulator.roles import BOOTSTRAP_SUPERUSER, LoginRole

LOGIN_SCOPES = frozenset(
    {
        "https://www.googleapis.com/auth/sqlservice.login",
        "https://www.googleapis.com/auth/cloud-platform",
    }
)
"""OAuth scopes of which a token needs one before it can stand for a password."""

SslMode = Literal["ALLOW_UNENCRYPTED_AND_ENCRYPTED", "ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"]
ConnectorEnforcement = Literal["NOT_REQUIRED", "REQUIRED"]


@dataclass(frozen=True, slots=True)
class TokenPrincipal:
    """Whose access token it is: an IAM member such as `serviceAccount:a@p.iam.gserviceaccount.com`, and its scopes."""

    member: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A database user as the Admin API lists it; `user_type` is BUILT_IN or CLOUD_IAM_…."""

    name: str
    user_type: str


@dataclass(frozen=True, slots=True)
class InstanceSettings:
    """What of an instance's settings decides about connections."""

    ssl_mode: SslMode = "ALLOW_UNENCRYPTED_AND_ENCRYPTED"
    connector_enforcement: ConnectorEnforcement = "NOT_REQUIRED"
    iam_authentication: bool = True
    running: bool = True


class LoginAuthority(Protocol):
    """What the data plane asks of the rest of Google; every answer is that of this moment."""

    def token_principal(self, token: str) -> TokenPrincipal | None:
        """The owner of an access token; None when it is unknown or expired."""
        ...

    def may_login(self, principal: str) -> bool:
        """Whether the member holds cloudsql.instances.login on this instance, propagation included."""
        ...

    def username_of(self, principal: str) -> str:
        """The database user name that a member logs in as."""
        ...

    async def first_login(self, principal: str) -> None:
        """Create the user of a member whose group is a user; do nothing for anyone else."""
        ...

    def settings(self) -> InstanceSettings:
        """The settings in force."""
        ...


class RoleCatalog(Protocol):
    """What is asked of PostgreSQL itself."""

    async def login_role(self, name: str) -> LoginRole:
        """How a role signs in."""
        ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """A session that asks to be let in, as far as it is known before any password.

    `principal` is the member that the client certificate was issued for, when it was issued for anyone.
    """

    user: str
    database: str
    host: str
    encrypted: bool
    through_connector: bool
    has_certificate: bool = False
    principal: str | None = None


@dataclass(frozen=True, slots=True)
class Proven:
    """IAM vouches for the session; PostgreSQL asks it for nothing more."""

    principal: str


@dataclass(frozen=True, slots=True)
class PasswordUser:
    """PostgreSQL itself asks for the password."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The session ends with `message`; `detail` is what only the server's log says, `principal` who tried."""

    message: str
    detail: str = ""
    sqlstate: str = "28000"
    principal: str | None = None


Verdict = Proven | PasswordUser | Refused
AskPassword = Callable[[], Awaitable[str]]

NO_PERMISSION = "The caller does not have permission"
NO_TOKEN = "Request is missing required authentication credential. Expected OAuth 2 access token"
NO_SCOPE = "Request had insufficient authentication scopes."


class LoginGate:
    """Decides over sessions as Cloud SQL does: settings first, then IAM users by IAM and all others by password."""

    def __init__(self, catalog: RoleCatalog, authority: LoginAuthority) -> None:
        self._catalog = catalog
        self._authority = authority

    async def verdict(self, arrival: Arrival, ask_password: AskPassword) -> Verdict:
        """What becomes of a session; `ask_password` is called when an access token is to come as the password."""
        settings = self._authority.settings()
        refusal = transport_refusal(arrival, settings)
        if refusal is not None:
            return refusal
        role = await self._catalog.login_role(arrival.user)
        if not settings.iam_authentication:
            # GUESS: without the flag IAM users fall to the password rule, and none of them has a password.
            return _password_refusal(arrival) if role.signs_in_through_iam else PasswordUser()
        if arrival.principal is not None:
            return await self._iam_verdict(arrival, role, arrival.principal)
        if role.signs_in_through_iam or _may_be_a_newcomer(arrival, role):
            return await self._token_verdict(arrival, role, ask_password)
        return PasswordUser()

    async def _token_verdict(self, arrival: Arrival, role: LoginRole, ask_password: AskPassword) -> Verdict:
        if not arrival.encrypted:
            return _host_refusal(arrival)
        token = self._authority.token_principal(await ask_password())
        if token is None:
            return _refusal(arrival, role, NO_TOKEN)
        if not token.scopes & LOGIN_SCOPES:
            return replace(_refusal(arrival, role, NO_SCOPE), principal=token.member)
        return await self._iam_verdict(arrival, role, token.member)

    async def _iam_verdict(self, arrival: Arrival, role: LoginRole, principal: str) -> Verdict:
        if self._authority.username_of(principal) != arrival.user or not self._authority.may_login(principal):
            return replace(_refusal(arrival, role, NO_PERMISSION), principal=principal)
        if not role.exists:
            await self._authority.first_login(principal)
            role = await self._catalog.login_role(arrival.user)
        if not role.signs_in_through_iam:
            return replace(_password_refusal(arrival), principal=principal)
        return Proven(principal)


def transport_refusal(arrival: Arrival, settings: InstanceSettings) -> Refused | None:
    """Why the way a session came is closed to it; None when it is open."""
    # GUESS: the text for Google's own account, and for direct connections under connectorEnforcement.
    if arrival.user == BOOTSTRAP_SUPERUSER:
        return _host_refusal(arrival)
    if arrival.through_connector:
        return None
    if settings.connector_enforcement == "REQUIRED":
        return _host_refusal(arrival)
    if settings.ssl_mode != "ALLOW_UNENCRYPTED_AND_ENCRYPTED" and not arrival.encrypted:
        return _host_refusal(arrival)
    if settings.ssl_mode == "TRUSTED_CLIENT_CERTIFICATE_REQUIRED" and not arrival.has_certificate:
        return Refused("connection requires a valid client certificate")
    return None


def _may_be_a_newcomer(arrival: Arrival, role: LoginRole) -> bool:
    # A member of a group has no role before the first login; its name will be an email address.
    return not role.exists and arrival.encrypted and "@" in arrival.user


def _refusal(arrival: Arrival, role: LoginRole, detail: str) -> Refused:
    if not role.signs_in_through_iam:
        return _password_refusal(arrival, detail)
    is_service_account = any(name.endswith("serviceaccount") for name in role.iam_roles)
    kind = "service account" if is_service_account else "user"
    return Refused(f'Cloud SQL IAM {kind} authentication failed for user "{arrival.user}"', detail)


def _password_refusal(arrival: Arrival, detail: str = "") -> Refused:
    return Refused(f'password authentication failed for user "{arrival.user}"', detail, sqlstate="28P01")


def _host_refusal(arrival: Arrival) -> Refused:
    encryption = "SSL on" if arrival.encrypted else "SSL off"
    return Refused(
        f'pg_hba.conf rejects connection for host "{arrival.host}", user "{arrival.user}", '
        f'database "{arrival.database}", {encryption}'
    )
