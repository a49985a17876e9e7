"""A database with many DatabaseGrants for grantees of whom some are shared, and passes over it all or over a few."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import psycopg
from psycopg import sql

from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.drift import Held
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entries, Entry, RoleEntry
from cloudsql_iam_operator.core.grants.desired.ledger import ledger_of, less
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer, Memory, Passed
from support.granting.setting import Place, Setting
from support.granting.wording import NOTHING, declared, on_database, on_schema, table

GRANTEES = tuple(f"g{number}" for number in range(8))
LAYOUT = "".join(f"create role {name};" for name in GRANTEES) + "create role club; grant club to op with admin option;"

Roles = tuple[str, ...]


def _future(roles: Roles, owner: str) -> Entry:
    return Entry(ObjectKind.TABLE, roles, ("SELECT",), "app", future=True, owners=(owner,))


SHAPES: Mapping[str, Callable[[Roles], Entries]] = {
    "tables": lambda roles: declared(table("INSERT", "SELECT", to=roles), on_schema("USAGE", to=roles)),
    "one table": lambda roles: declared(table("SELECT", to=roles, names=("orders",))),
    "a column": lambda roles: declared(
        Entry(ObjectKind.COLUMN, roles, ("SELECT", "UPDATE"), "app", ("orders",), columns=("note",))
    ),
    "to come": lambda roles: declared(table("SELECT", to=roles), _future(roles, "app_owner")),
    "to come of whomever": lambda roles: declared(_future(roles, "*")),
    "routines": lambda roles: declared(Entry(ObjectKind.ROUTINE, roles, ("EXECUTE",), "app", ("*",))),
    "with option": lambda roles: declared(Entry(ObjectKind.TABLE, roles, ("SELECT",), "app", ("*",), option=True)),
    "all but some": lambda roles: declared(Entry(ObjectKind.TABLE, roles, ("SELECT",), "app", ("*",), ("i*",))),
    "database": lambda roles: declared(on_database("CONNECT", to=roles)),
    "creating": lambda roles: declared(on_schema("CREATE", "USAGE", to=roles)),
    "a member": lambda roles: declared(RoleEntry("club", roles)),
    "from everybody": lambda roles: Entries(
        (table("SELECT", to=roles),), public=(Entry(ObjectKind.ROUTINE, (), ("EXECUTE",), "app", ("*",)),)
    ),
}


class Town:
    """One database; `few` has passes be over as few as they may."""

    def __init__(self, setting: Setting, *, few: bool) -> None:
        self.place: Place = setting.place()
        self.objects: dict[Key, GrantWant] = {}
        self.passes: list[Passed] = []
        self._few = few
        self._held: Held | None = None
        self._memory: Memory | None = None

    def close(self) -> None:
        """Drop it."""
        self.place.close()
        with psycopg.connect(self.place.cluster.dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {}").format(sql.Identifier(self.place.name)))

    def declare(self, key: Key, entries: Entries, how: Enforcement) -> None:
        """Create an object, or edit it; one that declares nothing is being deleted."""
        before = self.objects.get(key, GrantWant(NOTHING))
        new = bool(less(ledger_of(entries), before.ledger))
        how = how if entries != NOTHING else Enforcement.MANAGED
        self.objects[key] = GrantWant(entries, before.ledger, how, found=before.found, recording=new)

    def reconcile(self, sought: frozenset[Key] | None = None) -> Mapping[Key, GrantAnswer]:
        """A pass, for these keys alone where it can be, and what it says."""
        passed = run_pass(
            self.place.access(),
            self.place.name,
            self.objects,
            {},
            self._memory,
            before=self._held,
            record=lambda wants: {},
            sought=sought if self._few else None,
        )
        self._memory, self._held = passed.memory, passed.held
        self.passes.append(passed)
        answers = {key: answer for key, answer in passed.answers.items() if isinstance(answer, GrantAnswer)}
        assert answers.keys() == passed.answers.keys(), passed.answers
        wants = {**self.objects, **passed.recorded}
        for key, answer in answers.items():
            wants[key] = replace(wants[key], ledger=answer.ledger, found=answer.found, recording=False)
        self.objects = {key: want for key, want in wants.items() if want.entries != NOTHING or want.ledger}
        return answers

    def rights(self) -> set[str]:
        """Who has what on what from whom: grantees of the town, and PUBLIC."""
        found: list[str] = self.place.value(_RIGHTS)
        return set(found)


_RIGHTS = """
select array(
    select format(
        '%s%s on %s to %s by %s',
        e.privilege_type,
        case when e.is_grantable then ' with option' end,
        o.what,
        case e.grantee when 0 then 'public' else e.grantee::regrole::text end,
        e.grantor::regrole
    )
    from (
        select pg_describe_object('pg_class'::regclass, oid, 0), relacl from pg_class
        where relnamespace = 'app'::regnamespace
        union all
        select pg_describe_object('pg_class'::regclass, attrelid, attnum), attacl from pg_attribute
        where not attisdropped and attrelid in (select oid from pg_class where relnamespace = 'app'::regnamespace)
        union all
        select pg_describe_object('pg_proc'::regclass, oid, 0), coalesce(proacl, acldefault('f', proowner)) from pg_proc
        where pronamespace = 'app'::regnamespace
        union all select pg_describe_object('pg_namespace'::regclass, oid, 0), nspacl from pg_namespace
        union all
        select 'database', coalesce(datacl, acldefault('d', datdba)) from pg_database where datname = current_database()
        union all select pg_describe_object('pg_default_acl'::regclass, oid, 0), defaclacl from pg_default_acl
    ) o (what, acl)
    cross join lateral aclexplode(o.acl) e
    where e.grantee = 0 or e.grantee::regrole::text ~ '^g[0-9]$'
    union all
    select format('member of %s: %s by %s', roleid::regrole, member::regrole, grantor::regrole)
    from pg_auth_members
    where member::regrole::text ~ '^g[0-9]$'
    order by 1
)
"""
