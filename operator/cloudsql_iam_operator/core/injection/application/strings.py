"""Connection strings of PostgreSQL as applications write them: URLs, keywords of libpq, and those of .NET."""

from collections.abc import Iterator, Set
from dataclasses import dataclass

LOCAL = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0"})  # noqa: S104 - where others connect to
"""Names of the pod itself."""

DEFAULT_PORT = "5432"
SCHEMES = (
    *("postgresql:", "postgres:", "pgsql:", "psql:", "postgresql+", "postgres+", "postgresql_psycopg2:", "postgis:"),
    *("timescaledb:", "timescale:", "timescalegis:", "cockroach:", "cockroachdb:", "cockroachdb+"),
)
"""How URLs begin; the name of a driver may follow, and `jdbc:` or `r2dbc:` stand before."""

_OF_SCHEMES = ("postg", "psql", "pgsql", "timescale", "cockroach")
"""A part of each of them."""

_HINTS = (*_OF_SCHEMES, "host", ";")
"""One of them is in every text that names a server."""

LONGEST = 4096
"""Characters of a text that are read."""

DEMANDS = (
    *("sslmode=require", "sslmode=verify", "sslmode=no-verify", "ssl=true", "ssl=1", "ssl=require", "ssl=verify"),
    *("sslnegotiation=direct", "gssencmode=require", "channel_binding=require", "channelbinding=require"),
)
"""Parts of a string under which a driver refuses a connection that is not TLS from its own end."""

_PLACES = ("hostaddr", "host", "service", "cloudSqlInstance", "socketFactory")
"""Parameters of a URL that say where the server is, when its host does not."""

_OF_OTHERS = frozenset(
    {"initial catalog", "multipleactiveresultsets", "trustservercertificate", "uid", "allowuservariables"}
)
"""Keywords of .NET that other databases have, and PostgreSQL has not."""

_KEYWORDS = ("dbname=", "user=", "password=", "port=", "sslmode=")
_QUOTES = "'\"`"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that a connection string names; "" for a host that is none, such as a Unix socket."""

    host: str
    port: str

    def is_on(self, hosts: Set[str], port: str) -> bool:
        """Whether it is one of these hosts, on this port."""
        return self.host.lower() in hosts and self.port == port


def may_name_servers(text: str) -> bool:
    """Whether the text, or a line of it, may name a server: values are many, and few of them speak of PostgreSQL."""
    return any(hint in text for hint in _HINTS)


def servers_named(text: str) -> Iterator[Server]:
    """The servers of the connection strings in the text; none where it may name none."""
    text = text[:LONGEST]
    if any(part in text for part in _OF_SCHEMES):
        yield from (server for scheme in SCHEMES for part in text.split(scheme)[1:] for server in _of_url(part))
    if "host" in text:
        yield from _of_keywords(text)
    if ";" in text:
        yield from _of_pairs(text)


def demands_tls(text: str) -> bool:
    """Whether a string in the text asks for TLS, which a proxy does not offer."""
    plain = text.lower().replace("ssl mode", "sslmode")
    return any(demand in plain for demand in DEMANDS)


def _of_url(rest: str) -> Iterator[Server]:
    """From what follows the scheme: `//user@host:port/database?…`, with several hosts and a driver before them."""
    driver, slashes, rest = rest.partition("//")
    if not slashes or (not driver.rstrip(":").isalnum() and driver):
        return
    whole = rest.partition(" ")[0]
    place = whole
    for end in ("/", "?", *_QUOTES):
        place = place.partition(end)[0]
    hosts = place.rpartition("@")[2]
    if not hosts:
        yield from _of_parameters(whole)
        return
    for one in hosts.split(","):
        yield _server(one)


def _of_parameters(url: str) -> Iterator[Server]:
    """From a URL without a host: a path of sockets, or parameters; nothing where the variables are meant."""
    said = dict(pair.partition("=")[::2] for pair in url.partition("?")[2].strip(_QUOTES).split("&"))
    place = next((said[name] for name in _PLACES if name in said), None)
    if place is not None:
        yield Server(place, said.get("port") or DEFAULT_PORT)
    elif "@//" in url:
        yield Server("", DEFAULT_PORT)


def _server(place: str) -> Server:
    """From `host`, `host:port` or `[::1]:port`."""
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        return Server(host, rest.removeprefix(":") or DEFAULT_PORT)
    host, _, port = place.partition(":")
    return Server(host, port or DEFAULT_PORT)


def server_of_uri(text: str) -> Server:
    """From what exporters are told: `host:port/database?…`, without a scheme."""
    return _server(text.strip().partition("/")[0].rpartition("@")[2])


def _of_keywords(text: str) -> Iterator[Server]:
    """From `host=… port=… dbname=…`, in any order; libpq takes blanks around the sign.

    Source: PostgreSQL, libpq, "Keyword/Value Connection Strings"
    """
    together = "=".join(part.strip() for part in text.split("="))
    said = [word.strip(_QUOTES) for word in together.split()]
    if not any(word.startswith(_KEYWORDS) for word in said):
        return
    pairs = dict(word.partition("=")[::2] for word in said)
    host = (pairs.get("hostaddr") or pairs.get("host") or "").strip(_QUOTES)
    if host:
        yield Server(host, pairs.get("port") or DEFAULT_PORT)


def _of_pairs(text: str) -> Iterator[Server]:
    """From `Host=…;Port=…;Database=…`."""
    pairs = {key.strip().lower(): value for key, _, value in (part.partition("=") for part in text.split(";"))}
    host = pairs.get("host") or pairs.get("server")
    if host and "database" in pairs and _OF_OTHERS.isdisjoint(pairs) and not host.startswith("tcp:"):
        yield Server(host, pairs.get("port") or DEFAULT_PORT)
