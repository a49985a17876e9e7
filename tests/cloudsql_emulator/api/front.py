"""The way of every call to Google's APIs: found, met by faults, authenticated, counted, handled, checked, noted."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from cloudsql_emulator.api import errors
from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.discovery import Match, Method, Methods
from cloudsql_emulator.api.errors import ApiError, platform
from cloudsql_emulator.api.journal import Happening, summary_of
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.faults.injection import suffer
from cloudsql_emulator.iam.tokens import Token

_TOKEN_IN_QUERY = re.compile(r"access_token=[^&]*")


@dataclass(slots=True)
class _Visit:
    """What is known of a request by and by, for the journal."""

    request: web.Request
    caller: str = ""
    method: str = "unknown"
    summary: Any = None
    status: int = 0
    permissions: tuple[str, ...] = ()
    detail: str = ""

    @property
    def line(self) -> str:
        return f"{self.request.method} {_TOKEN_IN_QUERY.sub('access_token=…', self.request.raw_path)}"

    def happening(self) -> Happening:
        return Happening(
            "api", self.caller, self.method, self.line, self.summary, self.status, self.permissions, self.detail
        )


class Front:
    """Serves methods by their discovery ids; any other path of Google's is told to be unserved."""

    def __init__(self, cloud: Cloud, handlers: Handlers) -> None:
        self._cloud = cloud
        self._handlers = handlers
        self._methods = Methods(frozenset(handlers))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        visit = _Visit(request)
        try:
            response = await self._answered(visit)
            visit.status = response.status
        finally:
            self._cloud.record(visit.happening())
        return response

    async def _answered(self, visit: _Visit) -> web.StreamResponse:
        raw_path = visit.request.raw_path.partition("?")[0]
        match = self._methods.find(visit.request.method, raw_path)
        token = self._token(visit.request)
        visit.method = match.method.id if match else visit.method
        visit.caller = token.member if token else ""
        fault = self._cloud.faults.take(visit.method, visit.line, visit.caller)
        if fault is not None and not fault.after:
            visit.detail = "fault"
            injected = await suffer(fault, visit.request, _service(match))
            if injected is not None:
                return injected
        try:
            answer: object = await self._result(visit, match, raw_path, token)
            code = 200
        except ApiError as error:
            answer, code, visit.detail = error.body(), error.code, error.message
        response = web.json_response(answer, status=code)
        if fault is None or not fault.after:
            return response
        visit.detail = "fault after the call took effect"
        return await suffer(fault, visit.request, _service(match)) or response

    async def _result(self, visit: _Visit, match: Match | None, raw_path: str, token: Token | None) -> Json:
        if match is None:
            raise self._not_found(visit.request.method, raw_path)
        caller = self._checked_token(visit.request, token, match.method)
        self._check_quota(match, caller.member)
        call = await self._call(visit.request, match, caller)
        visit.summary = summary_of({**match.path, **visit.request.query, **call.body})
        try:
            answer = await self._handlers[match.method.id](call)
        finally:
            visit.permissions = tuple(call.checked)
        problems = match.method.response.problems(answer) if match.method.response else []
        if problems:
            raise platform(500, "invalidAnswer", f"the emulator's answer is not Google's: {'; '.join(problems)}")
        return answer

    def _token(self, request: web.Request) -> Token | None:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        return self._cloud.tokens.lookup(value.strip()) if scheme.lower() == "bearer" else None

    def _checked_token(self, request: web.Request, token: Token | None, method: Method) -> Token:
        if token is None:
            given = "Authorization" in request.headers
            raise errors.unauthenticated(errors.BAD_CREDENTIAL if given else errors.NO_CREDENTIAL)
        if method.scopes and not token.scopes & method.scopes:
            raise errors.insufficient_scopes(method.host, method.id)
        return token

    def _check_quota(self, match: Match, caller: str) -> None:
        metric = self._cloud.quotas.exceeded(match.method.id, caller, self._cloud.clock.now())
        if metric is not None:
            project = self._cloud.project(match.path.get("project", match.path.get("resource", "")))
            raise errors.quota_exceeded(metric, match.method.host, project.number if project else "0")

    async def _call(self, request: web.Request, match: Match, token: Token) -> Call:
        query = parse_qs(request.raw_path.partition("?")[2], keep_blank_values=True)
        _check_query(query, match.method)
        body = _parsed(await request.read())
        if match.method.request is not None:
            for name in match.method.request.unknown_names(body):
                raise platform(
                    400, "badRequest", f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
                )
        return Call(match.method, match.path, query, body, token.member, self._cloud.access)

    def _not_found(self, verb: str, raw_path: str) -> ApiError:
        unserved = self._methods.unserved(verb, raw_path)
        if unserved is not None:
            return platform(501, "notImplemented", f"the emulator does not serve {unserved}")
        return platform(404, "notFound", f"The requested URL {raw_path} was not found on this server.")


def _service(match: Match | None) -> str:
    return match.method.host if match else ""


def _check_query(query: Mapping[str, object], method: Method) -> None:
    for name in query:
        if name not in method.query:
            raise platform(
                400, "badRequest", f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.'
            )


def _parsed(content: bytes) -> Json:
    if not content.strip():
        return {}
    try:
        body = json.loads(content)
    except ValueError as error:
        raise platform(400, "parseError", "Invalid JSON payload received. Parse error.") from error
    if not isinstance(body, dict):
        raise platform(400, "badRequest", "Invalid JSON payload received. Root element must be a message.")
    return body
