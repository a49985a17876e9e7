"""Stories about one database: DatabaseGrants are declared, time passes over it, and everything is taken back.

A step is drawn from tables of what can happen; a step that PostgreSQL refuses in its place has not happened.
"""

import itertools
from dataclasses import dataclass
from typing import Any, Protocol, Self

import psycopg
from psycopg import sql

from cloudsql_iam_operator.api.grant import RoleRef
from cloudsql_iam_operator.api.names import API_VERSION, GRANT, Key
from cloudsql_iam_operator.api.parsing.grant import parse_grant
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entries, entries_of
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger
from cloudsql_iam_operator.core.grants.desired.written import recorded, rendered
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer, Memory
from support.granting.setting import Place, Setting
from support.granting.story_ground import GROUND, SPECS, THINGS, Thing
from support.granting.wording import key


@dataclass(slots=True)
class Declared:
    """One DatabaseGrant: what it declares now, and what its status records."""

    entries: Entries
    applied: list[dict[str, Any]]

    @property
    def ledger(self) -> Ledger:
        """What is recorded, as it is read from the status."""
        return recorded(self.applied)


class Story:
    """A database in which things happen."""

    _numbers = itertools.count(1)

    def __init__(self, setting: Setting) -> None:
        self.place: Place = setting.place(("app_owner", "maker"))
        self.grantee = f"x{next(self._numbers)}"
        self.objects: dict[Key, Declared] = {}
        self.gifts: set[int] = set()
        self.things = list(THINGS)
        self.told: dict[str, int] = {}
        self._memory: Memory | None = None
        self.place.sql(GROUND.format(database=self.place.name) + f"create role {self.grantee};")
        self.oid = int(self.place.value(f"select '{self.grantee}'::regrole::oid"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.place.close()
        with psycopg.connect(self.place.cluster.dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {}").format(sql.Identifier(self.place.name)))

    def declare(self, name: str, spec: str) -> None:
        """Create an object, or edit it so that it declares this."""
        body = {
            "apiVersion": API_VERSION,
            "kind": GRANT.name,
            "metadata": {
                "name": name,
                "namespace": "team",
                "uid": name,
                "generation": 1,
                "resourceVersion": "1",
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {
                "instanceRef": {"name": "main"},
                "database": self.place.name,
                "grantees": [{"role": self.grantee}],
                **SPECS[spec],
            },
        }
        entries = entries_of(parse_grant(body), {RoleRef(self.grantee): self.grantee})
        self.objects.setdefault(key(name), Declared(entries, [])).entries = entries

    def delete(self) -> None:
        """Every object is to be deleted."""
        for declared in self.objects.values():
            declared.entries = Entries()

    def reconcile(self) -> int:
        """One pass; how many statements it sent."""
        wants = {key: GrantWant(one.entries, one.ledger) for key, one in self.objects.items()}
        passed = self.place.run(wants, memory=self._memory)
        self._memory = passed.memory
        sent = 0
        for name, answer in passed.answers.items():
            assert isinstance(answer, GrantAnswer), answer
            self.objects[name].applied = rendered(answer.ledger)
            sent += len(answer.executed)
            for one in answer.residual:
                if one.elsewhere:
                    self.told[one.privilege] = max(self.told.get(one.privilege, 0), one.objects)
        return sent

    def happen(self, creator: str, *statements: sql.Composed | sql.SQL) -> bool:
        """Statements that somebody else runs, all or none; whether PostgreSQL let them."""
        with psycopg.connect(self.place.cluster.dsn(None, self.place.name)) as connection:
            try:
                connection.execute(sql.SQL("set role {}").format(sql.Identifier(creator)))
                for statement in statements:
                    connection.execute(statement)
            except psycopg.Error:
                connection.rollback()
                return False
        return True

    def outlives(self) -> list[str]:
        """What names the grantee still, and was neither moved under a `*` nor said to be left."""
        moved = [f"{thing.schema}.{thing.name}" for thing in self.things if thing.moved]
        left = [text for text in self.named() if not any(name in text for name in moved)]
        excused = [text.split(" ", 1)[0] for text in self.named() if text not in left]
        untold = [name for name in set(excused) if excused.count(name) > self.told.get(name, 0)]
        return left + untold

    def named(self) -> list[str]:
        """Every right that names the grantee, by whom, and every membership; what no object declares left out."""
        found: list[str] = self.place.value(_NAMED.format(grantee=self.oid))
        return [text for text in found if not text.startswith(("TRIGGER", "REFERENCES"))]

    def role(self) -> sql.Identifier:
        """The grantee, as it is called now."""
        return sql.Identifier(self.place.value(f"select rolname from pg_roles where oid = {self.oid}"))

    def note_gift(self, thing: Thing) -> None:
        """Others gave something on an object."""
        self.gifts.add(self.place.value(f"select '{thing.schema}.{thing.name}'::regclass::oid"))

    def taken_from_others(self) -> list[str]:
        """Relations on which others gave something that is not there any more."""
        left: list[str] = self.place.value(_TAKEN.format(grantee=self.oid, oids=sorted(self.gifts)))
        return left


class Step(Protocol):
    """Something that happens in a story."""

    def take(self, story: Story) -> None:
        """Let it happen; what PostgreSQL refuses has not happened."""


_NAMED = """
select array(
    select format('%s on %s by %s', e.privilege_type, o.what, e.grantor::regrole)
    from (
        select pg_describe_object('pg_class'::regclass, oid, 0), relacl from pg_class
        union all
        select pg_describe_object('pg_class'::regclass, attrelid, attnum), attacl from pg_attribute
        where not attisdropped
        union all select pg_describe_object('pg_proc'::regclass, oid, 0), proacl from pg_proc
        union all select pg_describe_object('pg_type'::regclass, oid, 0), typacl from pg_type
        union all select pg_describe_object('pg_namespace'::regclass, oid, 0), nspacl from pg_namespace
        union all select 'database', datacl from pg_database where datname = current_database()
        union all select pg_describe_object('pg_default_acl'::regclass, oid, 0), defaclacl from pg_default_acl
        union all
        select pg_describe_object('pg_largeobject'::regclass, oid, 0), lomacl from pg_largeobject_metadata
        union all select pg_describe_object('pg_language'::regclass, oid, 0), lanacl from pg_language
        union all select pg_describe_object('pg_foreign_server'::regclass, oid, 0), srvacl from pg_foreign_server
        union all
        select pg_describe_object('pg_foreign_data_wrapper'::regclass, oid, 0), fdwacl from pg_foreign_data_wrapper
    ) o (what, acl)
    cross join lateral aclexplode(o.acl) e
    where e.grantee = {grantee}
    union all
    select format('member of %s by %s', roleid::regrole, grantor::regrole)
    from pg_auth_members
    where member = {grantee}
    order by 1
)
"""

_TAKEN = """
select array(
    select c.oid::regclass::text
    from pg_class c
    where
        c.oid = any(array{oids}::oid[])
        and (
            select count(distinct e.privilege_type) from aclexplode(c.relacl) e
            where e.grantee = {grantee} and e.privilege_type in ('TRIGGER', 'REFERENCES')
        ) < 2
)
"""
