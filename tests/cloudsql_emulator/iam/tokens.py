"""Access tokens: given out, looked up, taken back; keys are in `credentials`, HTTP is in `api.oauth`."""

import datetime as dt
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from cloudsql_emulator.clock import Clock
from cloudsql_emulator.credentials.keys import BadSignature, KeyRing, UnknownSigner, digest
from cloudsql_emulator.iam.directory import Directory
from cloudsql_emulator.iam.members import canonical

LIFETIME = dt.timedelta(hours=1)
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"


class BadAssertion(Exception):
    """A signed assertion proves nothing; the message is Google's error_description."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token's owner (an IAM member), OAuth scopes and end."""

    member: str
    scopes: frozenset[str]
    expires: dt.datetime


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token as it is handed out. Never log the value."""

    value: str
    token: Token

    def seconds_left(self, clock: Clock) -> int:
        """The `expires_in` of OAuth."""
        return max(0, int((self.token.expires - clock.now()).total_seconds()))


class TokenIssuer:
    """Every access token of the emulated Google. Only digests are kept."""

    def __init__(self, clock: Clock, directory: Directory, keys: KeyRing) -> None:
        self._clock = clock
        self._directory = directory
        self._keys = keys
        self._tokens: dict[str, Token] = {}
        self.lifetime = LIFETIME
        """What tokens say that they live, where nobody asks for something else."""
        self.early = dt.timedelta()
        """How long before the end that they say tokens are no good: as if they had been kept for so long."""
        self.issued: dict[str, int] = {}
        """How many tokens each member was given."""

    def issue(self, member: str, scopes: Iterable[str], lifetime: dt.timedelta | None = None) -> IssuedToken:
        """A new token for a member."""
        value = f"ya29.{secrets.token_urlsafe(48)}"
        token = Token(canonical(member), frozenset(scopes), self._clock.now() + (lifetime or self.lifetime))
        self._tokens[digest(value)] = token
        self.issued[token.member] = self.issued.get(token.member, 0) + 1
        return IssuedToken(value, token)

    def lookup(self, value: str) -> Token | None:
        """A token's record; None when it is unknown, expired or taken back."""
        token = self._tokens.get(digest(value)) or self._self_signed(value)
        return token if token is not None and token.expires - self.early > self._clock.now() else None

    def _self_signed(self, value: str) -> Token | None:
        """A service account's own token, as google-cloud clients send with a key file.

        Source: AIP-4111, "Self-signed JWT": it has a scope, or the API's address as its audience
        """
        if value.count(".") != 2:
            return None
        try:
            claims = self._keys.claims(value)
        except BadSignature:
            return None
        account = self._directory.find(str(claims["iss"]))
        scopes = str(claims.get("scope") or (CLOUD_PLATFORM if _is_an_api(claims.get("aud")) else "")).split()
        ends = claims.get("exp")
        if account is None or claims.get("sub") != account.email or not isinstance(ends, int) or not scopes:
            return None
        return Token(account.member, frozenset(scopes), dt.datetime.fromtimestamp(ends, dt.UTC))

    def revoke_all(self, member: str) -> None:
        """Take back every token of a member."""
        self._tokens = {key: token for key, token in self._tokens.items() if token.member != canonical(member)}

    def redeem(self, assertion: str) -> IssuedToken:
        """A token for an assertion that a service account signed with one of its keys (RS256).

        Raises:
            BadAssertion: it is malformed, out of date, or not signed by the account it names.
        Source: RFC 7523; "Using OAuth 2.0 for Server to Server Applications"
        """
        try:
            claims = self._keys.claims(assertion)
        except UnknownSigner as error:
            known = self._directory.find(error.owner)
            raise BadAssertion("Invalid JWT Signature." if known else "Invalid grant: account not found") from error
        except BadSignature as error:
            raise BadAssertion("Invalid JWT Signature.") from error
        account = self._directory.account(f"serviceAccount:{claims['iss']}")
        if not isinstance(claims.get("exp"), int) or claims["exp"] <= self._clock.now().timestamp():
            raise BadAssertion(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                "Check your iat and exp values in the JWT claim."
            )
        return self.issue(account.member, str(claims.get("scope", "")).split())


def _is_an_api(audience: object) -> bool:
    return isinstance(audience, str) and audience.startswith("https://") and audience.endswith(".googleapis.com/")
