"""Starting and stopping emulated instances: PostgreSQL laid out, users made, ports opened on an address."""

import itertools
from contextlib import AsyncExitStack
from pathlib import Path

from psycopg import sql

from cloudsql_emulator import config
from cloudsql_emulator.api.journal import Happening
from cloudsql_emulator.authority import Authority
from cloudsql_emulator.certificates import InstanceCertificates
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.config import IAM_FLAG
from cloudsql_emulator.dataplane import DataPlane, LoginAttempt
from cloudsql_emulator.instances.instance import Instance
from cloudsql_emulator.instances.users import NewUser, Users
from cloudsql_emulator.postgres import Server
from cloudsql_emulator.witness import Witness

FREE_NETWORK = "127.0.2"


class Host:
    """The machine, so to speak, that one instance runs on."""

    def __init__(self, cloud: Cloud, told: config.Instance) -> None:
        self._cloud = cloud
        binaries = Path(told.postgres_directory) if told.postgres_directory else None
        has_flag = told.flags.get(IAM_FLAG) == "on"
        server = Server(binaries, iam_authentication=has_flag, log_statements=told.log_statements)
        self.instance = Instance(
            config=told,
            server=server,
            certificates=InstanceCertificates(told.project, told.name),
            users=Users(server, cloud.directory, cloud.switches),
            flags=dict(told.flags),
            settings=dict(told.settings),
        )
        self.instance.certificates.serve(self.instance.certificate_names)
        self.instance.close_sessions = self.close_sessions
        self._authority = Authority(self.instance, cloud.tokens, cloud.access)
        self._plane: DataPlane | None = None

    async def start(self) -> None:
        """Run PostgreSQL, lay it out, open the ports, and let the instance be known.

        Raises:
            ValueError: the configuration says another version than PostgreSQL's.
            OSError: the address is not this machine's, or its ports are taken.
        """
        async with AsyncExitStack() as on_failure:
            await self.instance.server.start()
            on_failure.push_async_callback(self.instance.server.stop)
            await self._lay_out()
            self._plane = await self._opened_plane()
            on_failure.pop_all()
        self.instance.address = self._plane.address
        self._cloud.instances[self.instance.project, self.instance.name] = self.instance

    async def stop(self) -> None:
        """Close the ports and end PostgreSQL."""
        if self._plane is not None:
            await self._plane.stop()
        await self.instance.server.stop()

    def witness(self, witness: Witness) -> None:
        """Have every exchange with PostgreSQL told to this witness."""
        if self._plane is not None:
            self._plane.witness = witness

    async def close_sessions(self) -> None:
        """Cut every session."""
        if self._plane is not None:
            await self._plane.close_sessions()

    async def _lay_out(self) -> None:
        told, server = self.instance.config, self.instance.server
        if told.database_version not in {None, self.instance.database_version}:
            raise ValueError(f"{self.instance.connection_name}: PostgreSQL here is {self.instance.database_version}")
        for role in told.roles:
            statement = sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role))
            await server.seed_sql("postgres", statement.as_string())
        for database in told.databases:
            await server.create_database(database.name, database.owner)
        for script in told.scripts:
            await server.seed_sql(script.database, script.sql, script.role)
        for user in told.users:
            await self.instance.users.insert(NewUser(user.name, user.type, user.password, roles=user.roles))

    async def _opened_plane(self) -> DataPlane:
        wanted = self.instance.config.address
        if wanted is not None:
            return await self._plane_on(wanted)
        for number in itertools.count(1):
            try:
                return await self._plane_on(f"{FREE_NETWORK}.{number}")
            except OSError:
                if number == 254:
                    raise
        raise AssertionError("unreachable: counting has no end")

    async def _plane_on(self, address: str) -> DataPlane:
        parts = (address, self.instance.certificates, self.instance.server, self._authority)
        plane = DataPlane(*parts, journal=self._note)
        await plane.start()
        return plane

    def _note(self, attempt: LoginAttempt) -> None:
        status = 401 if attempt.outcome == "refused" else 200
        where = {"instance": self.instance.name, "user": attempt.user, "database": attempt.database}
        self._cloud.record(
            Happening(
                "login",
                attempt.principal or "",
                "login",
                path=f"port {attempt.port}",
                summary={**where, "outcome": attempt.outcome},
                status=status,
                detail=attempt.detail,
            )
        )
