"""One PostgreSQL for a module's tests, and a database of its own for each test, with an ordinary role as operator."""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from cloudsql_emulator.cluster import Cluster, ClusterOptions
from cloudsql_iam_operator.adapters.postgres.connect import plain
from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.adapters.postgres.session import Limits
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, ledger_of, united
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer, Memory, Passed
from support.granting.servers import check

LAYOUT = """
create role app_owner nologin;
create role stranger nologin;
create role x login;
create role y login;
create role d nologin;
"""


@dataclass(frozen=True, slots=True)
class Ground:
    """How a server is laid out: SQL for its roles and for each database, and who owns the databases."""

    name: str
    roles: str
    database: str
    owner: str


OWN = Ground("own", f"{LAYOUT} create role op login nosuperuser noinherit; grant app_owner to op;", "", "app_owner")
"""An operator that takes each role it needs, in databases of its owner, with nothing else in them."""

CLOUD_SQL = Ground(
    "cloudsql",
    f"""{LAYOUT}
    create role cloudsqlsuperuser nologin createrole createdb;
    create role op login nosuperuser inherit;
    grant app_owner, cloudsqlsuperuser to op;
    """,
    """
    alter schema public owner to {public};
    grant usage, create on schema public to cloudsqlsuperuser;
    create extension pg_stat_statements schema public;
    create extension hstore schema public;
    """,
    "cloudsqlsuperuser",
)
"""As Cloud SQL lays one out: an operator that has the rights of its roles as it is, databases of `cloudsqlsuperuser`,
schema public with extensions of a superuser.

Source: Cloud SQL documentation, PostgreSQL users; roles and rights of instances as psql lists them
"""

EVERY_GROUND = "GRANTING_EVERY_GROUND"
"""Environment variable; set, every test of granting runs on both grounds."""

SCHEMA = """
create schema app authorization app_owner;
set role app_owner;
create table app.orders (id integer, country text, note text);
create table app.items (id integer);
create view app.totals as select count(*) from app.orders;
create materialized view app.history as select count(*) from app.orders;
create sequence app.numbers;
create function app.f(integer) returns integer language sql as 'select 1';
create function app.f(text) returns integer language sql as 'select 1';
create procedure app.tidy() language sql as 'select 1';
create type app.state as enum ('new', 'old');
"""


PREPARED = "prepared"
"""The database that those of tests are copies of."""

_CREATE = "create database {} template {} owner {}"
_COPIED = " strategy file_copy"
"""Half the work for a database as small as this; servers before 15 know no other way."""


class Setting:
    """A running PostgreSQL, laid out as a ground has it."""

    def __init__(self, ground: Ground = OWN, settings: Mapping[str, str] | None = None) -> None:
        """`settings` are of the server's configuration."""
        self.ground = ground
        self.cluster = Cluster(ClusterOptions(log_statements=True, settings=settings))
        self._numbers = itertools.count(1)
        self._places: list[Place] = []

    def __enter__(self) -> Self:
        self.cluster.start()
        try:
            with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
                check(connection.info.server_version, os.environ)
                connection.execute(self.ground.roles.encode())
                connection.execute(f"create database {PREPARED} owner {self.ground.owner}".encode())
            with psycopg.connect(self.cluster.dsn(None, PREPARED), autocommit=True) as connection:
                self._prepare(connection)
        except BaseException:
            self.cluster.stop()
            raise
        return self

    def _prepare(self, connection: psycopg.Connection[TupleRow]) -> None:
        """What every database here has in it."""
        public = "pg_database_owner" if self.cluster.version >= 15 else self.ground.owner
        connection.execute(self.ground.database.format(public=public).encode())
        connection.execute(SCHEMA)
        connection.execute("reset role")

    def __exit__(self, *_: object) -> None:
        for place in self._places:
            place.close()
        self.cluster.stop()

    def encoded(self, encoding: str) -> "Place":
        """A new database of another encoding, with the objects of SCHEMA."""
        name = f"d{next(self._numbers)}"
        words = f"encoding '{encoding}' locale 'C' template template0 owner {self.ground.owner}"
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
            connection.execute(f"create database {name} {words}".encode())
        self._places.append(Place(self, name, ("app_owner",)))
        self._places[-1].sql(SCHEMA)
        return self._places[-1]

    def place(self, owner_roles: tuple[str, ...] = ("app_owner",)) -> "Place":
        """A new database with the objects of SCHEMA."""
        name = f"d{next(self._numbers)}"
        create = sql.SQL(_CREATE).format(
            sql.Identifier(name), sql.Identifier(PREPARED), sql.Identifier(self.ground.owner)
        )
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
            connection.execute(create + sql.SQL(_COPIED if self.cluster.version >= 15 else ""))
        self._places.append(Place(self, name, owner_roles))
        return self._places[-1]


class Place:
    """One database, and passes over it."""

    def __init__(self, setting: Setting, name: str, owner_roles: tuple[str, ...]) -> None:
        self.name = name
        self.cluster = setting.cluster
        self.fences = 0
        self._began = setting.cluster.log_size()
        self.limits = Limits()
        self.terminate_blockers = False
        self.owner_roles = owner_roles
        self._superuser: psycopg.Connection[TupleRow] | None = None

    def close(self) -> None:
        """End what is open to it."""
        if self._superuser is not None:
            self._superuser.close()

    @property
    def version(self) -> int:
        """Major version of the server."""
        return self.cluster.version

    def access(self, login: str = "op") -> Access:
        """How the operator gets here, under this name."""
        dsn: Callable[[str], str] = lambda database: self.cluster.dsn(login, database)  # noqa: E731
        way, place = plain(dsn), "acme:eu:orders"
        return Access(way, "", self.owner_roles, self._fence, place, self.limits, self.terminate_blockers)

    def sql(self, text: str, user: str | None = None) -> None:
        """Run statements as the superuser, or as a user."""
        if user is not None:
            with psycopg.connect(self.cluster.dsn(user, self.name), autocommit=True) as connection:
                connection.execute(text.encode())
            return
        with self._as_new() as connection:
            connection.execute(text.encode())

    def raw(self, text: bytes, encoding: str) -> None:
        """Run a statement of these very bytes as the superuser, sent as of this encoding."""
        with psycopg.connect(
            self.cluster.dsn(None, self.name), autocommit=True, client_encoding=encoding
        ) as connection:
            done = connection.pgconn.exec_(text)
            assert not done.error_message, done.error_message

    def value(self, text: str) -> Any:
        """The one value of a query."""
        with self._as_new() as connection:
            row = connection.execute(text.encode()).fetchone()
        return row[0] if row else None

    def acl(self, relation: str) -> list[str]:
        """Rights on a relation other than its owner's, as in `x=r/app_owner`; sorted."""
        found = self.value(
            f"select array(select unnest(relacl)::text) from pg_class where oid = '{relation}'::regclass"
        )
        return sorted(entry for entry in found if not entry.startswith("app_owner="))

    def run(
        self, wants: Mapping[Key, GrantWant], claims: Mapping[Key, Ledger] | None = None, memory: Memory | None = None
    ) -> Passed:
        """One pass."""
        return run_pass(self.access(), self.name, wants, claims or {}, memory)

    def answer(self, wanted: GrantWant, claims: Mapping[Key, Ledger] | None = None) -> GrantAnswer:
        """One pass for one object."""
        only = Key("DatabaseGrant", "team", "only")
        answer = self.run({only: wanted}, claims).answers[only]
        assert isinstance(answer, GrantAnswer), answer
        return answer

    def through(self, wanted: GrantWant, claims: Mapping[Key, Ledger] | None = None) -> GrantAnswer:
        """One pass for one object, as its reconciler has it: what is found is recorded before anything is given."""
        found = self.answer(replace(wanted, dry=True), claims).found
        ledger = united(wanted.ledger, ledger_of(wanted.entries))
        return self.answer(replace(wanted, ledger=ledger, found=found), claims)

    def sent(self) -> list[str]:
        """Every statement that the operator sent to this database and that is no look."""
        looks = ("select", "with", "set transaction", "begin", "commit", "rollback", "--")
        every = (
            one.sql for one in self.cluster.statements(self._began) if (one.user, one.database) == ("op", self.name)
        )
        return [text for text in every if not text.lower().startswith(looks)]

    @contextmanager
    def _as_new(self) -> Iterator[psycopg.Connection[TupleRow]]:
        """The superuser's one session here, with nothing left in it afterwards: a new one is as much work as a test."""
        if self._superuser is None:
            dsn = self.cluster.dsn(None, self.name)
            self._superuser = psycopg.connect(dsn, autocommit=True, prepare_threshold=None)
        try:
            yield self._superuser
        finally:
            self._superuser.execute("discard all")

    def _fence(self) -> None:
        self.fences += 1
