"""IAM Credentials API: tokens of service accounts and what is signed in their names; IAM's older methods for the same.

Source: IAM Service Account Credentials API v1; IAM API v1, serviceAccounts.signBlob and .signJwt (deprecated)
"""

import base64
import binascii
import datetime as dt
import json

from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.errors import platform
from cloudsql_emulator.api.iam.service_accounts import account_of
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.credentials.id_tokens import id_token
from cloudsql_emulator.iam.directory import Account

PREFIX = "iamcredentials.projects.serviceAccounts"
LONGEST_TOKEN = 3600
"""Seconds, without a change of the organisation policy."""


class Credentials:
    """The handlers."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @property
    def handlers(self) -> Handlers:
        """By discovery id."""
        return {
            f"{PREFIX}.generateAccessToken": self.generate_access_token,
            f"{PREFIX}.generateIdToken": self.generate_id_token,
            f"{PREFIX}.signBlob": self.sign_blob,
            f"{PREFIX}.signJwt": self.sign_jwt,
            "iam.projects.serviceAccounts.signBlob": self.sign_bytes,
            "iam.projects.serviceAccounts.signJwt": self.sign_jwt,
        }

    async def generate_access_token(self, call: Call) -> Json:
        """A token of a service account, for those who may impersonate it."""
        account = self._account(call, "iam.serviceAccounts.getAccessToken")
        seconds = int(float(str(call.body.get("lifetime", "3600s")).removesuffix("s")))
        scopes = call.body.get("scope", [])
        if not scopes:
            raise platform(400, "badRequest", "Request contains an invalid argument.")
        if not 0 < seconds <= LONGEST_TOKEN:
            # GUESS: the words
            raise platform(400, "badRequest", f"The lifetime must be at most {LONGEST_TOKEN} seconds.")
        issued = self._cloud.tokens.issue(account.member, scopes, dt.timedelta(seconds=seconds))
        # whole seconds: google-auth for Python parses nothing else here
        ends = issued.token.expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"accessToken": issued.value, "expireTime": ends}

    async def generate_id_token(self, call: Call) -> Json:
        """A token that proves an account to an audience."""
        account = self._account(call, "iam.serviceAccounts.getOpenIdToken")
        audience = call.body.get("audience")
        if not audience:
            raise platform(400, "badRequest", "Request contains an invalid argument.")
        with_email = bool(call.body.get("includeEmail"))
        return {"token": id_token(self._cloud.keys, self._cloud.clock, account, audience, with_email=with_email)}

    async def sign_blob(self, call: Call) -> Json:
        """A signature by the account's own key."""
        key_id, signature = self._signed(call, "payload")
        return {"keyId": key_id, "signedBlob": signature}

    async def sign_bytes(self, call: Call) -> Json:
        """The same by its older names."""
        key_id, signature = self._signed(call, "bytesToSign")
        return {"keyId": key_id, "signature": signature}

    async def sign_jwt(self, call: Call) -> Json:
        """A JSON Web Token of some claims, which may be redeemed for an access token."""
        account = self._account(call, "iam.serviceAccounts.signJwt")
        try:
            claims = json.loads(call.body.get("payload", ""))
        except ValueError as error:
            raise platform(400, "badRequest", "Request contains an invalid argument.") from error
        key = self._cloud.keys.managed(account.email)
        return {"keyId": key.id, "signedJwt": key.token(claims)}

    def _signed(self, call: Call, field: str) -> tuple[str, str]:
        account = self._account(call, "iam.serviceAccounts.signBlob")
        try:
            payload = base64.b64decode(call.body.get(field, ""), validate=True)
        except (ValueError, binascii.Error) as error:
            raise platform(400, "badRequest", "Request contains an invalid argument.") from error
        key = self._cloud.keys.managed(account.email)
        return key.id, base64.b64encode(key.sign(payload)).decode()

    def _account(self, call: Call, permission: str) -> Account:
        return account_of(call, self._cloud, call.path["name"], permission)
