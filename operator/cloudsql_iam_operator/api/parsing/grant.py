"""Parsing a DatabaseGrant. Limits and defaults are the CRD's; which fields an entry has follows from its kind."""

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cloudsql_iam_operator.api.grant import (
    DatabaseGrant,
    Enforcement,
    FutureEntry,
    GrantDeletion,
    Grantee,
    GrantEntry,
    GrantMode,
    Membership,
    ObjectKind,
    Preset,
    PublicRevoke,
    RoleRef,
    UserRef,
)
from cloudsql_iam_operator.api.grant_size import MOST_TARGETS, targets
from cloudsql_iam_operator.api.metadata import Metadata
from cloudsql_iam_operator.api.names import GRANT
from cloudsql_iam_operator.api.object_kinds import (
    ALL,
    FUTURE_IN_NO_SCHEMA,
    FUTURE_KINDS,
    FUTURE_PUBLIC_KINDS,
    PUBLIC_KINDS,
    SHAPES,
)
from cloudsql_iam_operator.api.parsing import texts
from cloudsql_iam_operator.api.parsing.fields import Fields, read
from cloudsql_iam_operator.api.parsing.metadata import parse_metadata
from cloudsql_iam_operator.api.parsing.principals import named

EXAMPLE = (
    "give preset with schemas, or grants, future, memberships or public, such as "
    "grants: [{kind: Table, schema: app, names: ['*'], privileges: [SELECT]}]"
)


def parse_grant(body: Mapping[str, Any]) -> DatabaseGrant:
    """The DatabaseGrant that an API object is, defaults filled in.

    Raises:
        InvalidObject: a field cannot be meant so.
    """
    metadata = parse_metadata(body, GRANT)
    return read(body.get("spec"), "spec", lambda spec: _bounded(spec, _telling(spec, _grant(spec, metadata))))


def _telling(spec: Fields, grant: DatabaseGrant) -> DatabaseGrant:
    """The grant, which says something: one without entries would be Ready and do nothing."""
    if grant.preset is Preset.NONE and not (grant.grants or grant.future or grant.memberships or grant.public):
        raise spec.refusal(
            "grants", f"no entry of any kind is given, so nothing would be granted; {EXAMPLE}, or delete the object"
        )
    return grant


def _bounded(spec: Fields, grant: DatabaseGrant) -> DatabaseGrant:
    """The grant, whose lists multiply to no more than one object may declare."""
    declared = targets(grant)
    if declared > MOST_TARGETS:
        raise spec.refusal(
            "grantees",
            f"times what is granted is {declared:,}, counted as grantees × schemas × names × columns of each entry; "
            f"at most {MOST_TARGETS:,} are allowed: make several DatabaseGrants, or name `*` instead of each object",
        )
    return grant


def _grant(spec: Fields, metadata: Metadata) -> DatabaseGrant:
    preset = spec.choice("preset", Preset, Preset.NONE)
    return DatabaseGrant(
        metadata=metadata,
        instance=sys.intern(spec.nested("instanceRef", named)),
        database=sys.intern(spec.text("database", texts.IDENTIFIER)),
        grantees=_grantees(spec),
        preset=preset,
        schemas=_preset_schemas(spec, preset),
        grants=spec.each("grants", _entry, 200),
        future=spec.each("future", _future, 100),
        memberships=_memberships(spec),
        public=spec.each("public", _public, 50),
        enforcement=spec.choice("enforcement", Enforcement, Enforcement.MANAGED),
        mode=spec.choice("mode", GrantMode, GrantMode.RECONCILE),
        deletion_policy=spec.choice("deletionPolicy", GrantDeletion, GrantDeletion.REVOKE),
        expires_at=spec.instant("expiresAt"),
        suspend=spec.flag("suspend"),
    )


def _grantees(spec: Fields) -> tuple[Grantee, ...]:
    grantees = spec.each("grantees", _grantee, 100)
    if not grantees:
        raise spec.refusal("grantees", "is missing or empty; name at least one userRef or role")
    twice = next((grantee for i, grantee in enumerate(grantees) if grantee in grantees[:i]), None)
    if twice is not None:
        raise spec.refusal("grantees", f"lists {twice.name} twice")
    return grantees


def _grantee(grantee: Fields) -> Grantee:
    if grantee.given("userRef") == grantee.given("role"):
        raise grantee.refusal("role", "give exactly one of userRef, role")
    if grantee.given("userRef"):
        return UserRef(grantee.nested("userRef", named))
    return RoleRef(grantee.text("role", texts.ROLE))


def _preset_schemas(spec: Fields, preset: Preset) -> tuple[str, ...]:
    schemas = spec.some_texts("schemas", texts.IDENTIFIER, 100)
    if bool(schemas) != (preset is not Preset.NONE):
        raise spec.refusal("schemas", "belongs to preset: give both, or write the schemas into the entries of grants")
    return schemas


def _entry(entry: Fields) -> GrantEntry:
    kind = entry.choice("kind", ObjectKind)
    names = _names(entry, kind)
    return _shared(
        GrantEntry(
            kind=kind,
            privileges=_privileges(entry, "privileges", kind),
            schemas=_schemas(entry, kind),
            names=names,
            excluded=_excluded(entry, names),
            columns=_columns(entry, kind),
            grant_option=entry.flag("grantOption"),
        )
    )


@lru_cache(maxsize=4096)
def _shared(entry: GrantEntry) -> GrantEntry:
    """The same entry, kept once: thousands of grants declare the same for others."""
    return entry


def _future(entry: Fields) -> FutureEntry:
    kind = _kind_out_of(entry, FUTURE_KINDS)
    owners = entry.some_texts("owners", texts.ROLE, 50)
    schema = entry.text("schema", texts.IDENTIFIER) if entry.given("schema") else ""
    if schema and kind in FUTURE_IN_NO_SCHEMA:
        raise entry.refusal("schema", f"default privileges of {kind} are for no single schema; leave it out")
    if not schema and not owners:
        raise entry.refusal("owners", "without schema all schemas are meant: name the roles whose objects are meant")
    return FutureEntry(
        owners=owners,
        schema=schema,
        kind=kind,
        privileges=_privileges(entry, "privileges", kind),
    )


def _public(entry: Fields) -> PublicRevoke:
    kind = _kind_out_of(entry, PUBLIC_KINDS)
    owners = entry.some_texts("owners", texts.ROLE, 50)
    if owners:
        return _public_to_come(entry, kind, owners)
    return PublicRevoke(
        kind=kind,
        privileges=_privileges(entry, "revoke", kind),
        schemas=_schemas(entry, kind),
        names=_names(entry, kind),
    )


def _public_to_come(entry: Fields, kind: ObjectKind, owners: tuple[str, ...]) -> PublicRevoke:
    if kind not in FUTURE_PUBLIC_KINDS:
        known = ", ".join(FUTURE_PUBLIC_KINDS)
        raise entry.refusal("owners", f"PUBLIC gets nothing on new objects of kind {kind}; it does on those of {known}")
    for field in ("schema", "schemas", "names"):
        if entry.given(field):
            raise entry.refusal(field, "with owners, their objects to come in all schemas are meant; leave it out")
    return PublicRevoke(kind, _privileges(entry, "revoke", kind), owners=owners)


def _memberships(spec: Fields) -> tuple[Membership, ...]:
    memberships = spec.each("memberships", _membership, 50)
    roles = [membership.role for membership in memberships]
    twice = next((role for i, role in enumerate(roles) if role in roles[:i]), None)
    if twice is not None:
        raise spec.refusal("memberships", f"lists {twice} twice")
    return memberships


def _membership(membership: Fields) -> Membership:
    return Membership(
        role=membership.text("role", texts.ROLE),
        inherit=membership.optional_flag("inherit"),
        set=membership.optional_flag("set"),
        admin=membership.optional_flag("admin"),
    )


def _kind_out_of(entry: Fields, kinds: tuple[ObjectKind, ...]) -> ObjectKind:
    kind = entry.choice("kind", ObjectKind)
    if kind not in kinds:
        raise entry.refusal("kind", f"is {kind}; here it may be {', '.join(kinds)}")
    return kind


def _privileges(entry: Fields, field: str, kind: ObjectKind) -> tuple[str, ...]:
    privileges = entry.words(field, (ALL, *SHAPES[kind].privileges), 20)
    if not privileges:
        raise entry.refusal(field, f"is missing or empty; {kind} has {', '.join((ALL, *SHAPES[kind].privileges))}")
    if ALL in privileges and len(privileges) > 1:
        raise entry.refusal(field, "ALL stands alone")
    return privileges


def _schemas(entry: Fields, kind: ObjectKind) -> tuple[str, ...]:
    if entry.given("schema") and entry.given("schemas"):
        raise entry.refusal("schemas", "give schema or schemas, not both")
    one = (entry.text("schema", texts.IDENTIFIER),) if entry.given("schema") else ()
    schemas = one or entry.some_texts("schemas", texts.IDENTIFIER, 100)
    if bool(schemas) != SHAPES[kind].in_schema:
        problem = "needs schema, such as app, or schemas" if SHAPES[kind].in_schema else "is in no schema; leave it out"
        raise entry.refusal("schema", f"{kind} {problem}")
    return schemas


def _names(entry: Fields, kind: ObjectKind) -> tuple[str, ...]:
    rule = texts.LARGE_OBJECT if kind is ObjectKind.LARGE_OBJECT else texts.OBJECT_OF_DATABASE
    names = entry.some_texts("names", rule, 100)
    if bool(names) != SHAPES[kind].named:
        needed = "needs names, such as ['*'] for all of them" if SHAPES[kind].wildcard else "needs names"
        raise entry.refusal("names", f"{kind} {needed if SHAPES[kind].named else 'has none; leave it out'}")
    if "*" not in names:
        return names
    if len(names) > 1:
        raise entry.refusal("names", "`*` stands alone")
    if not SHAPES[kind].wildcard:
        raise entry.refusal("names", f"`*` is not for {kind}; name the objects")
    return names


def _excluded(entry: Fields, names: tuple[str, ...]) -> tuple[str, ...]:
    excluded = entry.some_texts("except", texts.GLOB_OF_NAMES, 100)
    if excluded and "*" not in names:
        raise entry.refusal("except", 'goes with names ["*"]')
    return excluded


def _columns(entry: Fields, kind: ObjectKind) -> tuple[str, ...]:
    columns = entry.some_texts("columns", texts.IDENTIFIER, 200)
    if bool(columns) != (kind is ObjectKind.COLUMN):
        problem = "has none; leave it out" if columns else "needs columns, such as ['id']"
        raise entry.refusal("columns", f"{kind} {problem}")
    return columns
