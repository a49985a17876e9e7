"""Folding operations into statements, and statements into short transactions."""

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.changes.operations import Operation, Verb
from cloudsql_iam_operator.core.grants.changes.statements import (
    BYTES_PER_STATEMENT,
    ObjectName,
    PrivilegeStatement,
    chunked,
    coalesced,
    halves,
)
from cloudsql_iam_operator.core.grants.desired.privileges import BITS
from support.granting.wording import key

A, B = frozenset({key("a")}), frozenset({key("b")})


def operation(objects: tuple[int, ...], role: int, mask: int = BITS["SELECT"], keys: frozenset[Key] = A) -> Operation:
    return Operation(Verb.GRANT, ObjectKind.TABLE, objects, (role,), mask, 10, keys)


def statement(tables: int, grantees: int = 1, width: int = 1, actor: str = "") -> PrivilegeStatement:
    objects = tuple(ObjectName("app", f"{i:0{width}}") for i in range(tables))
    roles = tuple(f"r{i:0{width}}" for i in range(grantees))
    return PrivilegeStatement(Verb.GRANT, ObjectKind.TABLE, ("SELECT",), (), objects, roles, actor)


def test_many_roles_on_the_same_objects_are_one_statement() -> None:
    folded = coalesced([operation((1, 2), 20), operation((1, 2), 21, keys=B), operation((3,), 20), operation((3,), 21)])

    assert [(fold.objects, fold.roles, fold.keys) for fold in folded] == [((1, 2, 3), (20, 21), A | B)]


def test_privileges_of_one_role_on_the_same_objects_are_one_statement() -> None:
    folded = coalesced([operation((1,), 20), operation((1,), 20, BITS["INSERT"])])

    assert [(fold.operation.mask, fold.roles) for fold in folded] == [(BITS["SELECT"] | BITS["INSERT"], (20,))]


def test_a_transaction_locks_a_hundred_objects_at_most() -> None:
    transactions = chunked([statement(250)])

    assert [sum(len(s.objects) for s in t.statements if isinstance(s, PrivilegeStatement)) for t in transactions] == [
        100,
        100,
        50,
    ]


def test_a_transaction_acts_as_one_role() -> None:
    transactions = chunked([statement(1, actor="a"), statement(2, actor="b"), statement(3, actor="a")])

    assert [(t.actor, len(t.statements)) for t in transactions] == [("a", 2), ("b", 1)]


def test_long_names_are_spread_over_statements() -> None:
    transactions = chunked([statement(90, grantees=500, width=63)])

    for transaction in transactions:
        for one in transaction.statements:
            assert isinstance(one, PrivilegeStatement)
            names = [name.name for name in one.objects] + list(one.grantees)
            assert sum(len(name) for name in names) <= BYTES_PER_STATEMENT
    assert sum(one.size for transaction in transactions for one in transaction.statements) == 90 * 500


def test_a_statement_is_halved_down_to_one_object_and_one_grantee() -> None:
    first, second = halves(statement(3, grantees=2))
    of_one = halves(statement(1, grantees=2))

    assert (first.size, second.size) == (2, 4)
    assert [one.grantees for one in of_one] == [("r0",), ("r1",)]
    assert halves(statement(1)) == ()
