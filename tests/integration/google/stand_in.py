"""A server that gives one prepared answer after another, for Google's real client to call."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import google.oauth2.credentials
import pytest

from cloudsql_iam_operator.adapters.google.client import Caller
from cloudsql_iam_operator.adapters.google.credentials import Identity
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints
from cloudsql_iam_operator.core.errors import Failure


class Google:
    """Gives prepared answers, by route or in turn, the last one for ever, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, object, dict[str, str]]] = []
        self.routes: dict[str, tuple[int, object, dict[str, str]]] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.headers: list[Any] = []
        self.calls: list[tuple[str, str, int]] = []
        self.fences = 0
        google = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = parsed(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                google.asked.append((self.command, self.path, body))
                google.headers.append(self.headers)
                code, told, headers = google.answer_to(self.path)
                content = told if isinstance(told, bytes) else json.dumps(told).encode()
                self.send_response(code)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the library's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer_to(self, path: str) -> tuple[int, object, dict[str, str]]:
        """The answer of the route whose words are in the path, else the next prepared one."""
        routed = next((answer for words, answer in self.routes.items() if words in path), None)
        return routed or (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    def says(self, code: int, told: object, **headers: str) -> None:
        self.answers.append((code, told, {name.replace("_", "-"): value for name, value in headers.items()}))

    def refuses(self, code: int, message: str, reason: str = "invalid", **headers: str) -> None:
        errors = [{"message": message, "domain": "global", "reason": reason}]
        self.says(code, {"error": {"code": code, "message": message, "errors": errors}}, **headers)

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(self.address, self.address, self.address, self.address)

    @property
    def caller(self) -> Caller:
        return Caller(
            identity(), self.fence, lambda service, method, code, _: self.calls.append((service, method, code))
        )

    def fence(self) -> None:
        self.fences += 1


def parsed(body: bytes) -> Any:
    """A JSON body; other bodies as text, none as None."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode()


def identity() -> Identity:
    make: Any = google.oauth2.credentials.Credentials
    return Identity(make(token="t0ken"), "the operator's own identity")


def failure_of(call: Callable[..., object], *args: object) -> Failure:
    with pytest.raises(Failure) as caught:
        call(*args)
    return caught.value
