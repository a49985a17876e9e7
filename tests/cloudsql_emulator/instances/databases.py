"""Databases of one instance, as PostgreSQL has them."""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from cloudsql_emulator.api.errors import invalid
from cloudsql_emulator.postgres import Server
from cloudsql_emulator.roles import BOOTSTRAP_SUPERUSER

_DATABASES = """
SELECT datname, pg_encoding_to_char(encoding), datcollate FROM pg_database
WHERE NOT datistemplate AND datname <> 'cloudsqladmin' ORDER BY datname
"""


@dataclass(frozen=True, slots=True)
class KnownDatabase:
    """A database's name, encoding and collation."""

    name: str
    charset: str
    collation: str


class Databases:
    """Databases of one PostgreSQL."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def listed(self) -> list[KnownDatabase]:
        """Every database that a customer sees, by name."""
        async with await self._connected() as connection:
            return [KnownDatabase(*row) for row in await (await connection.execute(_DATABASES)).fetchall()]

    async def create(self, name: str) -> None:
        """Make a database.

        Raises:
            ApiError: it exists, or the name is no name.
        """
        try:
            await self._server.create_database(name)
        except psycopg.Error as error:
            raise invalid(f'failed to create database "{name}": {_words(error)}') from error

    async def drop(self, name: str) -> None:
        """Drop a database.

        Raises:
            ApiError: it does not exist, or somebody is connected to it.
        """
        try:
            async with await self._connected() as connection:
                await connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
        except psycopg.Error as error:
            raise invalid(f'failed to delete database "{name}": {_words(error)}') from error

    async def _connected(self) -> psycopg.AsyncConnection:
        dsn = self._server.cluster.dsn(database=BOOTSTRAP_SUPERUSER)
        return await psycopg.AsyncConnection.connect(dsn, autocommit=True)


def _words(error: psycopg.Error) -> str:
    # GUESS: that Cloud SQL quotes PostgreSQL so
    said = error.diag.message_primary or str(error)
    return f"{said}. Details: {error.diag.message_detail}" if error.diag.message_detail else said
