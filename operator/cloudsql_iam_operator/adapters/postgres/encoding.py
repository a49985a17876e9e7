"""Names as a server has them: any bytes are read, since one name that is not UTF-8 must not hide all the others.

Roles are shared by databases of different encodings, and a database of SQL_ASCII checks nothing. Such a name is read
with its bytes escaped as lone surrogates, so that no other name is taken for it, and written as those very bytes.
"""

from dataclasses import replace
from typing import Any

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.rows import TupleRow

from cloudsql_iam_operator.core.grants.observed.snapshot import Lookups

ESCAPED = "surrogateescape"

Connection = psycopg.Connection[TupleRow]


def read_any_name(connection: Connection) -> None:
    """Have the server send names as it has them, and read them whatever they are."""
    encoding = connection.info.parameter_status("server_encoding") or ""
    if encoding != connection.info.parameter_status("client_encoding"):
        # Converting on the way fails on what is not valid, and takes the whole answer along.
        _speak(connection, encoding)
    for each in (_Text, _BinaryText):
        connection.adapters.register_loader("text", each)


def codec_of(connection: psycopg.BaseConnection[Any]) -> str:
    """The codec in which names are exchanged on the connection."""
    codec = connection.info.encoding
    return "utf-8" if codec == "ascii" else codec  # SQL_ASCII: any bytes, most often UTF-8


def sayable(lookups: Lookups, codec: str) -> Lookups:
    """The lookups without names that have no bytes in the database's encoding: nothing there can be called so."""

    def can(*names: str) -> bool:
        try:
            "".join(names).encode(codec)
        except UnicodeEncodeError:
            return False
        return True

    return replace(
        lookups,
        roles=frozenset(filter(can, lookups.roles)),
        schemas=frozenset(filter(can, lookups.schemas)),
        named=frozenset(place for place in lookups.named if can(*place[1:])),
        listed=frozenset(place for place in lookups.listed if can(place[1])),
        columns=frozenset(place for place in lookups.columns if can(*place)),
        creators=frozenset(filter(can, lookups.creators)),
    )


def legible(text: str) -> str:
    """The text with bytes that are no characters written out, so that it can be stored and shown."""
    return text.encode("utf-8", "backslashreplace").decode()


class _Text(Loader):
    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._codec = codec_of(self.connection) if self.connection is not None else "utf-8"

    def load(self, data: Buffer) -> str:
        return bytes(data).decode(self._codec, ESCAPED)


class _BinaryText(_Text):
    format = Format.BINARY


def _speak(connection: Connection, encoding: str) -> None:
    connection.execute("select pg_catalog.set_config('client_encoding', %s, false)", (encoding,))
    try:
        codec_of(connection)
    except psycopg.NotSupportedError:
        # One that Python cannot read; below the client library, which would not send a word in it.
        connection.pgconn.exec_(b"set client_encoding to 'UTF8'")
