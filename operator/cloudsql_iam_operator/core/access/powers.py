"""What reaches further than a privilege: passing it on, taking it from everybody, sweeping, leaving the schemas."""

from enum import Enum

from cloudsql_iam_operator.api.grant import DatabaseGrant, Enforcement, ObjectKind
from cloudsql_iam_operator.api.instance import AccessRule
from cloudsql_iam_operator.api.object_kinds import SHAPES
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, object_kind, of_the_future


class Power(Enum):
    """A power that a grant asks for besides privileges; the value is how a rule gives it."""

    GRANT_OPTION = "allowGrantOption for grantOption, or for a membership with admin"
    PUBLIC = "allowPublic for public"
    EXCLUSIVE = "allowExclusive for enforcement Exclusive"
    NEW_SCHEMAS = "`*` in schemas, or no schemas at all, for CREATE on the database"
    OUTSIDE_SCHEMAS = "`*` in schemas for objects that belong to no schema, or to any"


def powers_of(spec: DatabaseGrant) -> frozenset[Power]:
    """The powers that a grant asks for."""
    kinds = {entry.kind for entry in spec.grants} | {entry.kind for entry in spec.public}
    everywhere = any(not entry.schema for entry in spec.future) or any(entry.owners for entry in spec.public)
    asked = {
        Power.GRANT_OPTION: any(e.grant_option for e in spec.grants) or any(m.admin for m in spec.memberships),
        Power.PUBLIC: bool(spec.public),
        Power.EXCLUSIVE: spec.enforcement is Enforcement.EXCLUSIVE,
        Power.NEW_SCHEMAS: any(_makes_schemas(entry.kind, entry.privileges) for entry in spec.grants),
        Power.OUTSIDE_SCHEMAS: everywhere or any(_outside(kind) for kind in kinds),
    }
    return frozenset(power for power, is_asked in asked.items() if is_asked)


def recorded_powers(ledger: Ledger) -> frozenset[Power]:
    """The powers that what was given came by; what was taken from others or from PUBLIC is in no ledger."""
    asked = {
        Power.GRANT_OPTION: any(entry.option for entry in ledger),
        Power.NEW_SCHEMAS: any(_makes_schemas(object_kind(entry), entry.privileges) for entry in ledger),
        Power.OUTSIDE_SCHEMAS: any(not entry.schema for entry in of_the_future(ledger))
        or any(_outside(kind) for kind in map(object_kind, ledger) if kind is not None),
    }
    return frozenset(power for power, is_asked in asked.items() if is_asked)


def not_given(rule: AccessRule, asked: frozenset[Power]) -> tuple[Power, ...]:
    """Those of the powers that a rule does not give."""
    given = {
        Power.GRANT_OPTION: rule.allow_grant_option,
        Power.PUBLIC: rule.allow_public,
        Power.EXCLUSIVE: rule.allow_exclusive,
        Power.NEW_SCHEMAS: not rule.schemas or "*" in rule.schemas,
        Power.OUTSIDE_SCHEMAS: "*" in rule.schemas,
    }
    return tuple(power for power in Power if power in asked and not given[power])


def _makes_schemas(kind: ObjectKind | None, privileges: tuple[str, ...]) -> bool:
    return kind is ObjectKind.DATABASE and not {"CREATE", "ALL"}.isdisjoint(privileges)


def _outside(kind: ObjectKind) -> bool:
    return kind is not ObjectKind.DATABASE and not SHAPES[kind].in_schema
