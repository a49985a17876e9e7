"""Security Token Service: tokens of identity providers outside for Google's own, as external_account credentials ask.

Source: RFC 8693; Security Token Service API v1, method token
"""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from cloudsql_emulator.api.journal import Happening
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.credentials.federation import ExchangeRefused
from cloudsql_emulator.faults.injection import suffer

METHOD = "sts.token"
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
SUBJECT_TYPES = frozenset({"urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"})


class SecurityTokenService:
    """POST /v1/token."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        fault = self._cloud.faults.take(METHOD, f"POST {request.raw_path}", "")
        injected = await suffer(fault, request, "sts.googleapis.com") if fault and not fault.after else None
        if injected is not None:
            self._cloud.record(Happening("token", "", METHOD, status=injected.status, detail="fault"))
            return injected
        response = self._exchanged(await _told(request))
        later = await suffer(fault, request, "sts.googleapis.com") if fault and fault.after else None
        return later or response

    def _exchanged(self, told: Mapping[str, Any]) -> web.Response:
        try:
            _check(told)
            issued = self._cloud.federation.exchange(
                told.get("subject_token", ""), told.get("audience", ""), told.get("scope", "").split()
            )
        except ExchangeRefused as refused:
            self._cloud.record(Happening("token", "", METHOD, status=400, detail=str(refused)))
            return web.json_response({"error": refused.error, "error_description": str(refused)}, status=400)
        summary = {"scope": " ".join(sorted(issued.token.scopes)), "audience": told["audience"]}
        self._cloud.record(Happening("token", issued.token.member, METHOD, summary=summary, status=200))
        answer = {"access_token": issued.value, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer"}
        return web.json_response({**answer, "expires_in": issued.seconds_left(self._cloud.clock)})


async def _told(request: web.Request) -> Mapping[str, Any]:
    """The request's fields by OAuth's names; in JSON they may be Google's: `grantType`."""
    if request.content_type != "application/json":
        return {name: str(value) for name, value in (await request.post()).items()}
    try:
        fields = json.loads(await request.read())
    except ValueError:
        return {}
    return {_snake(name): value for name, value in fields.items()} if isinstance(fields, dict) else {}


def _snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)


def _check(told: Mapping[str, Any]) -> None:
    expected = {"grant_type": {GRANT}, "requested_token_type": {ACCESS_TOKEN}, "subject_token_type": SUBJECT_TYPES}
    for name, allowed in expected.items():
        if told.get(name) not in allowed:
            raise ExchangeRefused("invalid_request", f'Invalid value for "{name}".')  # GUESS: the words
    if not told.get("scope"):
        raise ExchangeRefused("invalid_scope", "Missing required parameter: scope")  # GUESS: the words
