"""One question to one database, on a connection of its own."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.adapters.postgres.encoding import read_any_name
from cloudsql_iam_operator.adapters.postgres.session import reading, role_failure
from cloudsql_iam_operator.adapters.postgres.startup import Connection
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.excerpts import excerpt
from cloudsql_iam_operator.core.reasons import Reason

SAID = 300
"""Characters shown of the server's words."""


@contextmanager
def opened(access: Access, database: str) -> Iterator[Connection]:
    """A connection to one database, closed at the end.

    Raises:
        NotYet: it cannot be had, or was lost.
    """
    with closing(access.connect(database)) as connection:
        read_any_name(connection)
        try:
            yield connection
        except psycopg.Error as error:
            raise failure(error, access, database) from error


def rows(access: Access, database: str, asked: bytes, parameters: Mapping[str, Any]) -> list[TupleRow]:
    """The answer to one catalog query.

    Raises:
        NotYet: the database cannot be reached.
    """
    with opened(access, database) as connection:
        with reading(connection, access.set_role):
            found = connection.execute(asked, parameters)
        return found.fetchall()


def failure(error: psycopg.Error, access: Access, database: str) -> NotYet:
    """The verdict on an error of the server."""
    refused = role_failure(error, access.set_role)
    if refused is not None:
        return refused
    said = excerpt(error.diag.message_primary or str(error).split("\n", 1)[0], SAID)
    where = f"database {database!r} on {access.place}"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return NotYet(Reason.SQL_PERMISSION_DENIED, f"{where}: {said}")
    return NotYet(Reason.DATABASE_UNREACHABLE, f"{where}: {said}")
