"""Requests to an API server, as one sees them there: what is sent, how often, and what is made of the answer."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest
from kubernetes.client import ApiClient, Configuration

from cloudsql_iam_operator.adapters.cluster.rest import JSON, Answered, Rest, Unreachable

LIMITS = (60.0, 60.0)
PATH = "/apis/example.com/v1/things/one"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Server:
    """Answers everything with `status` and `told`, or hangs up without a word; keeps what it was asked."""

    status: int = 200
    told: JSON = field(default_factory=dict)
    mute: bool = False
    asked: list[Asked] = field(default_factory=list)
    address: str = ""

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode()
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.asked.append(Asked(handler.command, handler.path, headers, body))
        if self.mute:
            handler.close_connection = True
            return
        content = json.dumps(self.told).encode()
        handler.send_response(self.status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            running.take(self)

        do_GET = do_POST = do_PATCH = do  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    running.address = f"http://127.0.0.1:{listening.server_port}"
    threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
    yield running
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def configuration(server: Server, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    return Configuration(host=server.address)


def rest(configuration: Configuration) -> Rest:
    return Rest(ApiClient(configuration))


def test_an_apply_says_who_applies_what(server: Server, configuration: Configuration) -> None:
    server.told = {"kind": "Thing"}
    configuration.api_key["BearerToken"] = "bearer t0ken"

    answer = rest(configuration).apply(PATH, LIMITS, {"spec": {"word": "größer"}}, "the operator")

    assert answer == {"kind": "Thing"}
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("PATCH", f"{PATH}?fieldManager=the%20operator&force=true")
    assert json.loads(asked.body) == {"spec": {"word": "größer"}}
    assert asked.headers["content-type"] == "application/apply-patch+yaml"
    assert asked.headers["accept"] == "application/json"
    assert asked.headers["authorization"] == "bearer t0ken"
    assert "python" in asked.headers["user-agent"]


@pytest.mark.parametrize(
    ("body", "content"),
    [([{"op": "add", "path": "/a", "value": 1}], "application/json-patch+json"), ({"a": 1}, "application/json")],
)
def test_a_list_is_sent_as_a_patch(server: Server, configuration: Configuration, body: object, content: str) -> None:
    rest(configuration).send("PATCH", PATH, LIMITS, body)

    assert [(json.loads(asked.body), asked.headers["content-type"]) for asked in server.asked] == [(body, content)]


def test_a_query_arrives_as_it_was_given(server: Server, configuration: Configuration) -> None:
    query = {"labelSelector": "a/b in (c, d)", "continue": "e+f="}

    rest(configuration).get(PATH, LIMITS, query, "text/plain")

    (asked,) = server.asked
    assert dict(parse_qsl(urlsplit(asked.path).query)) == query
    assert asked.headers["accept"] == "text/plain"


def test_every_request_has_the_token_of_its_time(server: Server, configuration: Configuration) -> None:
    tokens = iter(("bearer first", "bearer second"))

    def renewed(one: Configuration) -> None:
        one.api_key["BearerToken"] = next(tokens)

    configuration.api_key["BearerToken"] = "bearer of the start"
    configuration.refresh_api_key_hook = renewed
    calls = rest(configuration)

    calls.get(PATH, LIMITS)
    calls.get(PATH, LIMITS)

    assert [asked.headers["authorization"] for asked in server.asked] == ["bearer first", "bearer second"]


def test_without_a_token_there_is_no_header_for_it(server: Server, configuration: Configuration) -> None:
    rest(configuration).get(PATH, LIMITS)

    assert ["authorization" in asked.headers for asked in server.asked] == [False]


def test_a_refusal_is_told_in_the_servers_words(server: Server, configuration: Configuration) -> None:
    server.status, server.told = 409, {"message": "somebody was faster"}

    with pytest.raises(Answered, match=f"answered 409 to: PATCH {PATH}: somebody was faster") as refused:
        rest(configuration).send("PATCH", PATH, LIMITS, {})

    assert refused.value.status == 409


def test_silence_ends_with_the_limit(server: Server, configuration: Configuration) -> None:
    quiet = threading.Event()
    server.take = lambda handler: quiet.wait(600)  # type: ignore[method-assign,assignment] # says nothing in time

    with pytest.raises(Unreachable, match="could not be reached to: PATCH"):
        rest(configuration).send("PATCH", PATH, (60.0, 0.2), {})

    quiet.set()


@pytest.mark.parametrize(("method", "times"), [("GET", 4), ("PATCH", 1), ("POST", 1)])
def test_only_a_read_is_sent_again_when_its_answer_is_lost(
    server: Server, configuration: Configuration, method: str, times: int
) -> None:
    server.mute = True
    calls = rest(configuration)

    with pytest.raises(Unreachable, match=f"could not be reached to: {method}"):
        calls.get(PATH, LIMITS) if method == "GET" else calls.send(method, PATH, LIMITS, {})

    assert [asked.method for asked in server.asked] == [method] * times


def test_a_server_that_is_not_there_is_unreachable(configuration: Configuration) -> None:
    configuration.host = "http://127.0.0.1:1"

    with pytest.raises(Unreachable, match="could not be reached"):
        rest(configuration).send("PATCH", PATH, LIMITS, {})


def test_a_web_proxy_that_is_set_is_used(server: Server, configuration: Configuration) -> None:
    configuration.host, configuration.proxy = "http://kubernetes.example", server.address

    rest(configuration).get(PATH, LIMITS)

    assert [asked.path for asked in server.asked] == [f"http://kubernetes.example{PATH}"]
