"""Keys that service accounts and Google sign with, and JSON Web Tokens (RS256) made and checked with them."""

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

GOOGLE = "https://accounts.google.com"
"""Owner of the key that signs ID tokens, and their issuer."""

Claims = dict[str, Any]


class BadSignature(ValueError):
    """A signed text is malformed, or signed by nobody whom it may be signed by."""


class UnknownSigner(BadSignature):
    """A token's issuer has no keys; `owner` is who that is."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.owner = owner


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair; `id` is what the header of a token calls it."""

    id: str
    private: rsa.RSAPrivateKey

    @classmethod
    def new(cls) -> "Key":
        """A fresh one."""
        return cls(secrets.token_hex(20), rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def sign(self, payload: bytes) -> bytes:
        """A signature as RS256 has it."""
        return self.private.sign(payload, padding.PKCS1v15(), hashes.SHA256())

    def token(self, claims: Mapping[str, Any]) -> str:
        """A JSON Web Token."""
        head = _encoded(json.dumps({"alg": "RS256", "kid": self.id, "typ": "JWT"}).encode())
        signed = f"{head}.{_encoded(json.dumps(claims).encode())}"
        return f"{signed}.{_encoded(self.sign(signed.encode()))}"

    def pem(self) -> str:
        """The private half, as key files have it."""
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


class KeyRing:
    """Keys by owner: a service account's address, an identity provider's name, or GOOGLE."""

    def __init__(self) -> None:
        self._keys: dict[str, list[Key]] = {}

    def add(self, owner: str) -> Key:
        """Give an owner one more key."""
        key = Key.new()
        self._keys.setdefault(owner, []).append(key)
        return key

    def managed(self, owner: str) -> Key:
        """The owner's first key, made when there is none: what Google signs with for an account."""
        return (self._keys.get(owner) or [self.add(owner)])[0]

    def forget(self, owner: str) -> None:
        """Take back all keys of an owner."""
        self._keys.pop(owner, None)

    def claims(self, token: str, owner: str | None = None) -> Claims:
        """What a token says, signed by its issuer or by another owner; a header without key id means any key.

        Source: RFC 7515; the Node client names no key
        Raises:
            UnknownSigner: the owner has no keys.
            BadSignature: it is malformed, or no key of the owner's signed it.
        """
        try:
            head, body, signature = token.split(".")
            header, claims = json.loads(_decoded(head)), json.loads(_decoded(body))
            signer, key_id, signed = str(owner or claims["iss"]), header.get("kid"), _decoded(signature)
        except (ValueError, TypeError, KeyError, AttributeError, binascii.Error) as error:
            raise BadSignature from error
        if signer not in self._keys:
            raise UnknownSigner(signer)
        _check([key for key in self._keys[signer] if key_id in {None, key.id}], f"{head}.{body}".encode(), signed)
        return dict(claims)


def _check(keys: list[Key], payload: bytes, signature: bytes) -> None:
    for key in keys:
        try:
            key.private.public_key().verify(signature, payload, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            continue
        return
    raise BadSignature


def digest(value: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(value.encode()).hexdigest()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
