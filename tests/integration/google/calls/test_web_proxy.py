"""Where HTTPS_PROXY is set, calls and token requests go through that web proxy, and the metadata server's do not."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudsql_iam_operator.adapters.google.web_proxy import NotThrough, ask_metadata_directly, web_proxy
from integration.google.calls.processes import environment_for, key_file, listed
from integration.google.calls.web_proxies import WebProxy
from integration.google.stand_in import Google

USERINFO = "operator:s3cret/pass"
QUOTED = "operator:s3cret%2Fpass"
PUBLIC = dict.fromkeys(("SQLADMIN_ENDPOINT", "IAM_CREDENTIALS_ENDPOINT", "OAUTH_TOKEN_ENDPOINT"), "")
TOKEN = {"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}
FLAVOURED = {"Metadata-Flavor": "Google", "Content-Type": "application/json"}
ACCOUNT = {"email": "operator@acme-prod.iam.gserviceaccount.com", "scopes": [], "aliases": ["default"]}
THROUGH = {"CONNECT oauth2.googleapis.com:443", "CONNECT sqladmin.googleapis.com:443"}
WAY, HOSTS = "http://squid:3128", "metadata.google.internal,169.254.169.254"
LOGS_IN = """
import os
from cloudsql_iam_operator.adapters.google.credentials import own_identity
from cloudsql_iam_operator.adapters.google.endpoints import endpoints_from
from cloudsql_iam_operator.adapters.postgres.connect import Connectors
from cloudsql_iam_operator.api.instance import ConnectionName, IPType
from cloudsql_iam_operator.core.errors import NotYet
connectors = Connectors()
try:
    identity = own_identity(endpoints_from(os.environ))
    identity.renew("log in")
    connectors.iam(identity, ConnectionName("acme-prod", "eu", "orders"), "operator", IPType.PUBLIC)("orders")
except NotYet as failure:
    print(failure)
finally:
    connectors.close()
"""


@pytest.fixture
def proxy(stand_in: Google) -> Iterator[WebProxy]:
    stand_in.routes = {
        "/users": (200, {"kind": "sql#usersList", "items": [{"name": "postgres"}]}, {}),
        "/default/token": (200, TOKEN, FLAVOURED),
        "/universe/": (200, b"googleapis.com", {**FLAVOURED, "Content-Type": "text/plain"}),
        "/project-id": (200, b"acme-prod", {**FLAVOURED, "Content-Type": "text/plain"}),
        "/computeMetadata/": (200, ACCOUNT, FLAVOURED),
        "/token": (200, TOKEN, {}),
    }
    stand_in.says(200, b"computeMetadata/\n", Metadata_Flavor="Google")
    running = WebProxy(stand_in.address, USERINFO)
    yield running
    running.stop()


def by_key(proxy: WebProxy, directory: Path, userinfo: str = QUOTED) -> dict[str, str]:
    (directory / "credentials.json").write_text(json.dumps(key_file()))
    return {
        **PUBLIC,
        "GOOGLE_APPLICATION_CREDENTIALS": str(directory / "credentials.json"),
        "HTTPS_PROXY": f"http://{userinfo}@127.0.0.1:{proxy.port}",
        "SSL_CERT_FILE": proxy.trusted_in(directory),
    }


def logged_in(stand_in: Google, environment: dict[str, str]) -> str:
    """What a process prints that tries to log in through the connector."""
    command = [sys.executable, "-c", LOGS_IN]
    done = subprocess.run(
        command, env=environment_for(stand_in, **environment), capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout + done.stderr


def test_calls_and_token_requests_go_through_it(proxy: WebProxy, stand_in: Google, tmp_path: Path) -> None:
    printed = listed(stand_in, **by_key(proxy, tmp_path))

    assert printed == "['postgres']\n"
    assert {(what, USERINFO) for what in THROUGH} <= set(proxy.asked)


def test_so_do_those_of_the_connector(proxy: WebProxy, stand_in: Google, tmp_path: Path) -> None:
    printed = logged_in(stand_in, by_key(proxy, tmp_path))

    assert "UnexpectedAnswer" in printed
    assert {(what, USERINFO) for what in THROUGH} <= set(proxy.asked)
    assert any("connectSettings" in path for _, path, _ in stand_in.asked)


def test_the_metadata_server_is_asked_directly(proxy: WebProxy, stand_in: Google, tmp_path: Path) -> None:
    host = stand_in.address.removeprefix("http://")
    way = f"http://{QUOTED}@127.0.0.1:{proxy.port}"
    told = {**PUBLIC, "HTTPS_PROXY": way, "HTTP_PROXY": way, "SSL_CERT_FILE": proxy.trusted_in(tmp_path)}
    told |= {"NO_GCE_CHECK": "", "GCE_METADATA_HOST": host, "GCE_METADATA_IP": host}

    assert listed(stand_in, **told) == "['postgres']\n"
    assert "UnexpectedAnswer" in logged_in(stand_in, told)

    assert "CONNECT sqladmin.googleapis.com:443" in dict(proxy.asked)
    assert [what for what, _ in proxy.asked if not what.endswith(".googleapis.com:443")] == []
    assert any("/computeMetadata/" in path for _, path, _ in stand_in.asked)


def test_a_proxy_that_refuses_is_named_and_its_password_is_not(
    proxy: WebProxy, stand_in: Google, tmp_path: Path
) -> None:
    told = by_key(proxy, tmp_path, "operator:wr0ng")

    failures = [listed(stand_in, **told), logged_in(stand_in, told)]

    for failure in failures:
        assert f"web proxy 127.0.0.1:{proxy.port}: Tunnel connection failed: 407 Proxy Authentication" in failure
        assert "wr0ng" not in failure
    assert stand_in.asked == []


def test_a_connector_that_is_refused_by_it_shows_no_password(proxy: WebProxy, stand_in: Google, tmp_path: Path) -> None:
    told = by_key(proxy, tmp_path, "operator:wr0ng") | {"OAUTH_TOKEN_ENDPOINT": f"{stand_in.address}/token"}

    failure = logged_in(stand_in, told)

    assert "407" in failure
    assert "wr0ng" not in failure


@pytest.mark.parametrize(
    ("environment", "host", "through"),
    [
        ({"HTTPS_PROXY": "http://squid:3128"}, "sqladmin.googleapis.com", "squid:3128"),
        ({"https_proxy": "squid:3128", "HTTPS_PROXY": "http://other:1"}, "sqladmin.googleapis.com", "squid:3128"),
        ({"HTTPS_PROXY": "http://a:b@squid"}, "sqladmin.googleapis.com", "squid:80"),
        ({"HTTPS_PROXY": "http://squid:3128", "NO_PROXY": ".googleapis.com"}, "sqladmin.googleapis.com", "None"),
        ({"HTTPS_PROXY": "http://squid:3128", "NO_PROXY": "acme.com, googleapis.com"}, "x.googleapis.com", "None"),
        ({"HTTPS_PROXY": "http://squid:3128", "no_proxy": "*"}, "sqladmin.googleapis.com", "None"),
        ({"HTTPS_PROXY": "http://squid:3128", "NO_PROXY": "acme.com"}, "sqladmin.googleapis.com", "squid:3128"),
        ({"HTTP_PROXY": "http://squid:3128"}, "sqladmin.googleapis.com", "None"),
        ({}, "sqladmin.googleapis.com", "None"),
    ],
)
def test_which_proxy_leads_to_a_host(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], host: str, through: str
) -> None:
    only(monkeypatch, environment)

    assert repr(web_proxy(host)) == through


@pytest.mark.parametrize("address", ["https://u:wr0ng@squid:3128", "socks5://squid", "http://u:wr0ng@", "http://a:b:c"])
def test_one_that_cannot_be_used_is_told_without_its_credentials(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    only(monkeypatch, {"HTTPS_PROXY": address})

    with pytest.raises(NotThrough) as caught:
        web_proxy("sqladmin.googleapis.com")

    assert "HTTPS_PROXY must be http://HOST:PORT" in str(caught.value)
    assert "wr0ng" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "listed_then"),
    [
        ({}, {}),
        ({"HTTPS_PROXY": WAY}, {"HTTPS_PROXY": WAY}),
        ({"HTTP_PROXY": WAY}, {"HTTP_PROXY": WAY, "NO_PROXY": HOSTS}),
        ({"ALL_PROXY": WAY, "NO_PROXY": ".svc, a"}, {"ALL_PROXY": WAY, "NO_PROXY": f".svc,a,{HOSTS}"}),
        ({"http_proxy": WAY, "no_proxy": "a"}, {"http_proxy": WAY, "no_proxy": f"a,{HOSTS}"}),
        ({"HTTP_PROXY": WAY, "NO_PROXY": HOSTS}, {"HTTP_PROXY": WAY, "NO_PROXY": HOSTS}),
        ({"HTTP_PROXY": WAY, "NO_PROXY": "*"}, {"HTTP_PROXY": WAY, "NO_PROXY": "*"}),
    ],
)
def test_libraries_are_told_to_ask_the_metadata_server_directly(
    environment: dict[str, str], listed_then: dict[str, str]
) -> None:
    ask_metadata_directly(environment)

    assert environment == listed_then


def only(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Have these alone of the variables that name proxies."""
    for name in ("https_proxy", "http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
