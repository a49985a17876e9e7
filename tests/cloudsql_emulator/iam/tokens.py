"""Access tokens and service account keys: given out, looked up, taken back; HTTP is in `api.oauth`."""

import base64
import binascii
import datetime as dt
import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cloudsql_emulator.clock import Clock
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
    """Every token and key of the emulated Google. Only digests of tokens are kept."""

    def __init__(self, clock: Clock, directory: Directory) -> None:
        self._clock = clock
        self._directory = directory
        self._tokens: dict[str, Token] = {}
        self._keys: dict[str, tuple[str, rsa.RSAPublicKey]] = {}
        self.issued: dict[str, int] = {}
        """How many tokens each member was given."""

    def issue(self, member: str, scopes: Iterable[str], lifetime: dt.timedelta = LIFETIME) -> IssuedToken:
        """A new token for a member."""
        value = f"ya29.{secrets.token_urlsafe(48)}"
        token = Token(canonical(member), frozenset(scopes), self._clock.now() + lifetime)
        self._tokens[_digest(value)] = token
        self.issued[token.member] = self.issued.get(token.member, 0) + 1
        return IssuedToken(value, token)

    def lookup(self, value: str) -> Token | None:
        """A token's record; None when it is unknown, expired or taken back."""
        token = self._tokens.get(_digest(value))
        return token if token is not None and token.expires > self._clock.now() else None

    def revoke_all(self, member: str) -> None:
        """Take back every token and key of a member."""
        self._tokens = {key: token for key, token in self._tokens.items() if token.member != canonical(member)}
        self._keys = {key: known for key, known in self._keys.items() if f"serviceAccount:{known[0]}" != member}

    def new_key(self, email: str, project: str, token_uri: str) -> dict[str, str]:
        """A key file of a service account, as Google's console gives it out."""
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        key_id = secrets.token_hex(20)
        self._keys[key_id] = (email, private.public_key())
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": project,
            "private_key_id": key_id,
            "private_key": pem.decode(),
            "client_email": email,
            "client_id": "100000000000000000001",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        }

    def redeem(self, assertion: str) -> IssuedToken:
        """A token for an assertion that a service account signed with one of its keys (RS256).

        Raises:
            BadAssertion: it is malformed, out of date, or not signed by the account it names.
        Source: RFC 7523; "Using OAuth 2.0 for Server to Server Applications"
        """
        header, claims = self._verified(assertion)
        email, _ = self._keys[header["kid"]]
        if claims.get("iss") != email or self._directory.find(email) is None:
            raise BadAssertion("Invalid grant: account not found")
        if not isinstance(claims.get("exp"), int) or claims["exp"] <= self._clock.now().timestamp():
            raise BadAssertion(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                "Check your iat and exp values in the JWT claim."
            )
        return self.issue(f"serviceAccount:{email}", str(claims.get("scope", "")).split())

    def _verified(self, assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
        try:
            head, body, signature = assertion.split(".")
            header, claims = json.loads(_decoded(head)), json.loads(_decoded(body))
            _, key = self._keys[header["kid"]]
            key.verify(_decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, TypeError, KeyError, binascii.Error, InvalidSignature) as error:
            raise BadAssertion("Invalid JWT Signature.") from error
        return header, claims


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
