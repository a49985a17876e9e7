"""Sessions of the API's own superuser in one PostgreSQL, used again while nobody is in them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from cloudsql_emulator.cluster import Cluster
from cloudsql_emulator.roles import BOOTSTRAP_SUPERUSER

IDLE = 4
"""So many are kept; more are made while they are needed."""


class OwnSessions:
    """One each for those who work at the same time: DROP ROLE may wait for a client's lock, and nobody waits for that.

    A new session costs PostgreSQL a process, more than all that is done in it.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._idle: list[psycopg.AsyncConnection] = []

    @asynccontextmanager
    async def session(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """A session in the superuser's own database; one in which something failed is not used again."""
        connection = self._idle.pop() if self._idle else await self._new()
        try:
            yield connection
        except BaseException:
            await connection.close()
            raise
        if len(self._idle) < IDLE:
            self._idle.append(connection)
        else:
            await connection.close()

    async def close(self) -> None:
        """End those that nobody is in."""
        while self._idle:
            await self._idle.pop().close()

    async def _new(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(self._cluster.dsn(database=BOOTSTRAP_SUPERUSER), autocommit=True)
