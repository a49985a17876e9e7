"""The way of every call to Google's APIs: found, met by faults, authenticated, counted, handled, checked, noted."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from cloudsql_emulator.api import errors, system_parameters
from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.discovery import Match, Method, Methods
from cloudsql_emulator.api.errors import ApiError, platform
from cloudsql_emulator.api.journal import Happening, summary_of
from cloudsql_emulator.api.quota_projects import check_quota_project, named_by
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.faults.answers import page_not_found
from cloudsql_emulator.faults.injection import suffer
from cloudsql_emulator.iam.tokens import Token

_TOKEN_IN_QUERY = re.compile(r"(access_token|oauth_token)=[^&]*")


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
        path = _TOKEN_IN_QUERY.sub(r"\1=…", self.request.raw_path)
        return f"{self.request.method} {path}"

    def happening(self) -> Happening:
        return Happening(
            "api",
            self.caller,
            self.method,
            self.line,
            self.summary,
            self.status,
            self.permissions,
            self.detail,
            named_by(self.request),
        )


class Front:
    """Serves methods by their discovery ids; any other path is one that Google does not have either."""

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
        match = self._methods.find(visit.request.method, raw_path, visit.request.host.partition(":")[0])
        token = self._token(visit.request)
        visit.method = match.method.id if match else visit.method
        visit.caller = token.member if token else ""
        fault = self._cloud.faults.take(visit.method, visit.line, visit.caller)
        if fault is not None and not fault.after:
            visit.detail = "fault"
            injected = await suffer(fault, visit.request, _service(match))
            if injected is not None:
                return injected
        told = self._cloud.witness.came(visit.method)
        if told is None:
            visit.detail = "not handled"
            return web.Response(status=503)
        response = await self._response(visit, match, token) if match else self._not_found(visit, raw_path)
        told()
        if fault is None or not fault.after:
            return response
        visit.detail = "fault after the call took effect"
        return await suffer(fault, visit.request, _service(match)) or response

    async def _response(self, visit: _Visit, match: Match, token: Token | None) -> web.Response:
        query = _query(visit.request)
        try:
            mask = system_parameters.mask_of(query)
            answer: object = system_parameters.chosen(await self._result(visit, match, token), mask)
            code = 200
        except ApiError as error:
            answer, code, visit.detail = error.body(), error.code, error.message
        return web.json_response(text=system_parameters.printed(answer, query), status=code)

    async def _result(self, visit: _Visit, match: Match, token: Token | None) -> Json:
        caller = self._checked_token(visit.request, token, match.method)
        check_quota_project(self._cloud, caller.member, named_by(visit.request), match.method.host)
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
        if scheme.lower() != "bearer":
            query = _query(request)
            value = system_parameters.told(query, "access_token") or system_parameters.told(query, "oauth_token")
        return self._cloud.tokens.lookup(value.strip())

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
        query = _query(request)
        system_parameters.check_alt(query)
        _check_query(query, match.method)
        body = _parsed(await request.read())
        if match.method.request is not None:
            for name in match.method.request.unknown_names(body):
                raise platform(
                    400, "badRequest", f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
                )
        return Call(match.method, match.path, query, body, token.member, self._cloud.access)

    def _not_found(self, visit: _Visit, raw_path: str) -> web.Response:
        unserved = self._methods.unserved(visit.request.method, raw_path)
        visit.detail = f"the emulator does not serve {unserved}" if unserved else "no such path"
        return web.Response(text=page_not_found(raw_path), status=404, content_type="text/html", charset="UTF-8")


def _query(request: web.Request) -> Mapping[str, list[str]]:
    return parse_qs(request.raw_path.partition("?")[2], keep_blank_values=True)


def _service(match: Match | None) -> str:
    return match.method.host if match else ""


def _check_query(query: Mapping[str, object], method: Method) -> None:
    for name in query:
        if name not in method.query | system_parameters.NAMES:
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
