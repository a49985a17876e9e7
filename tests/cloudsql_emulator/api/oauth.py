"""The OAuth token endpoint: access tokens for assertions that service accounts signed.

Source: RFC 7523; "Using OAuth 2.0 for Server to Server Applications"
"""

from aiohttp import web

from cloudsql_emulator.api.journal import Happening
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.faults.injection import suffer
from cloudsql_emulator.iam.tokens import BadAssertion, IssuedToken

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
METHOD = "oauth2.token"


class TokenEndpoint:
    """POST /token."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        fault = self._cloud.faults.take(METHOD, f"POST {request.raw_path}", "")
        if fault is not None:
            injected = await suffer(fault, request)
            if injected is not None:
                self._cloud.record(Happening("token", "", METHOD, status=injected.status, detail="fault"))
                return injected
        form = await request.post()
        if form.get("grant_type") != JWT_BEARER:
            return self._refused("", "unsupported_grant_type", "Invalid grant_type")
        try:
            issued = self._cloud.tokens.redeem(str(form.get("assertion", "")))
        except BadAssertion as bad:
            return self._refused("", "invalid_grant", str(bad))
        scopes = " ".join(sorted(issued.token.scopes))
        self._cloud.record(Happening("token", issued.token.member, METHOD, summary={"scope": scopes}, status=200))
        return web.json_response(token_json(issued, self._cloud))

    def _refused(self, caller: str, error: str, description: str) -> web.Response:
        self._cloud.record(Happening("token", caller, METHOD, status=400, detail=description))
        return web.json_response({"error": error, "error_description": description}, status=400)


def token_json(issued: IssuedToken, cloud: Cloud) -> dict[str, object]:
    """A token as OAuth and the metadata server hand it out."""
    return {
        "access_token": issued.value,
        "expires_in": issued.seconds_left(cloud.clock),
        "token_type": "Bearer",
    }
