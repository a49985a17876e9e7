"""Which names our SQL may leave without a schema: none before the search path is ours, and no object's ever."""

import ast as python
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pglast import ast, parse_sql, visitors

from cloudsql_iam_operator.adapters.postgres import session
from cloudsql_iam_operator.adapters.postgres.statements import composed, table_lock
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.object_kinds import ROUTINES
from cloudsql_iam_operator.core.grants.changes.operations import Verb
from cloudsql_iam_operator.core.grants.changes.statements import MembershipStatement, ObjectName, PrivilegeStatement

ROOM = Path(session.__file__).parent
QUERIES = {file.name: file.read_text() for file in (ROOM / "sql").iterdir() if file.name.endswith(".sql")}

BEFORE = ("settings.sql",)
"""Files that run before the search path is known to be ours: nothing of them may depend on it."""

CONTROL = re.compile(r"begin|commit|begin isolation level repeatable read, read only")
"""Statements in which no name is looked up."""

_VALUE = re.compile(r"%\(\w+\)s|%s")


def tree(text: str) -> tuple[ast.RawStmt, ...]:
    """The statements as PostgreSQL's own parser reads them; values are numbered as the client does it."""
    return tuple(parse_sql(_VALUE.sub("$1", text).replace("%%", "%")))


class _Names(visitors.Visitor):
    """Names of functions, operators, types and relations, each as its parts."""

    def __init__(self) -> None:
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.own: set[str | None] = set()

    def visit(self, _: object, node: ast.Node) -> None:
        match node:
            case ast.CommonTableExpr():
                self.own.add(node.ctename)
            case ast.FuncCall():
                self._add("function", node.funcname)
            case ast.A_Expr():
                self._add("operator", node.name)
            case ast.TypeName():
                self._add("type", node.names)
            case ast.ObjectWithArgs():
                self._add("routine", node.objname)
            case ast.RangeVar():
                self.found.append(("relation", tuple(part for part in (node.schemaname, node.relname) if part)))

    def _add(self, kind: str, parts: tuple[ast.String, ...] | None) -> None:
        self.found.append((kind, tuple(str(part.sval) for part in parts or ())))


def names(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """All names of the text that PostgreSQL would look up."""
    seen = _Names()
    seen(tree(text))
    return [(kind, parts) for kind, parts in seen.found if parts[0] not in seen.own]


def bare(text: str) -> list[str]:
    """Names that are found by the search path."""
    return [f"{kind} {parts[0]}" for kind, parts in names(text) if len(parts) == 1]


def elsewhere(text: str) -> list[str]:
    """Names in a schema that is not the system's."""
    return [".".join(parts) for _, parts in names(text) if len(parts) > 1 and parts[0] != "pg_catalog"]


def written_out() -> Iterator[str]:
    """Texts of SQL that stand in the adapter's Python."""
    for module in ROOM.rglob("*.py"):
        for node in python.walk(python.parse(module.read_text())):
            if isinstance(node, python.Call) and getattr(node.func, "attr", "") == "execute":
                first = node.args[0]
                if isinstance(first, python.Constant):
                    yield str(first.value)


@pytest.mark.parametrize("name", BEFORE)
def test_what_runs_before_the_path_is_ours_depends_on_no_path(name: str) -> None:
    assert bare(QUERIES[name]) == []


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_query_names_nothing_outside_the_systems_schema(name: str) -> None:
    assert names(QUERIES[name])
    assert elsewhere(QUERIES[name]) == []


def test_sql_in_python_is_control_of_transactions_or_qualified() -> None:
    texts = list(written_out())

    assert texts
    for text in texts:
        assert CONTROL.fullmatch(text) or bare(text) == [], text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("select set_config('a', 'b', true)", ["function set_config"]),
        ("select pg_catalog.count(a = b) from pg_catalog.pg_class", ["operator ="]),
        ("select 1 operator(pg_catalog.+) 2", []),
        ("select $1::text[]", ["type text"]),
        ("select x.y from pg_class x", ["relation pg_class"]),
        ("with mine as (select 1) select * from mine", []),
    ],
)
def test_a_name_without_a_schema_is_found(text: str, found: list[str]) -> None:
    assert bare(text) == found


TABLES = (ObjectKind.TABLE, ObjectKind.VIEW, ObjectKind.MATERIALIZED_VIEW, ObjectKind.COLUMN, ObjectKind.SEQUENCE)


@pytest.mark.parametrize("verb", list(Verb))
@pytest.mark.parametrize("kind", [*TABLES, *ROUTINES, ObjectKind.TYPE])
def test_an_object_is_always_named_with_its_schema(kind: ObjectKind, verb: Verb) -> None:
    types = (("pg_catalog", "int4"),) if kind in ROUTINES else ()
    columns = ("id",) if kind is ObjectKind.COLUMN else ()
    statement = PrivilegeStatement(
        verb, kind, ("USAGE",), columns, (ObjectName("app", "o", types),), ("x",), "", lockable=kind is ObjectKind.TABLE
    )

    lock = table_lock(statement)
    texts = [composed(statement).as_string(None), *([lock.as_string(None)] if lock else [])]
    for text in texts:
        found = {kind: parts for kind, parts in names(text) if kind != "type"}
        [granted] = tree(text)
        assert bare(text) == []
        assert found.items() <= {"relation": ("app", "o"), "routine": ("app", "o")}.items()
        assert type(granted.stmt).__name__ in ("GrantStmt", "LockStmt")
    assert kind not in TABLES or found == {"relation": ("app", "o")}


def test_a_membership_names_roles_and_nothing_else() -> None:
    text = composed(MembershipStatement(True, "app_ro", ("x",), admin=True)).as_string(None)

    assert names(text) == []
    assert [type(one.stmt).__name__ for one in tree(text)] == ["GrantRoleStmt"]
