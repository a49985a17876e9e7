"""What a DatabaseGrant comes to, and which of it is refused as written."""

from datetime import UTC, datetime

import pytest

from cloudsql_iam_operator.api.grant import (
    DatabaseGrant,
    Enforcement,
    FutureEntry,
    GrantDeletion,
    Grantee,
    GrantEntry,
    GrantMode,
    ObjectKind,
    Preset,
    PublicRevoke,
    RoleRef,
    UserRef,
)
from cloudsql_iam_operator.api.metadata import Metadata
from cloudsql_iam_operator.api.names import GRANT, Key
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.grants.desired.entries import Entries, Entry, entries_of, expanded
from cloudsql_iam_operator.core.grants.desired.identifiers import identifier, signature
from cloudsql_iam_operator.core.reasons import Reason


def grant(
    *grants: GrantEntry,
    preset: Preset = Preset.NONE,
    schemas: tuple[str, ...] = (),
    public: tuple[PublicRevoke, ...] = (),
) -> DatabaseGrant:
    metadata = Metadata(Key(GRANT.name, "team", "g"), "uid", 1, datetime(2026, 1, 1, tzinfo=UTC))
    return DatabaseGrant(
        metadata=metadata,
        instance="orders",
        database="orders",
        grantees=(UserRef("checkout"), RoleRef("reporting")),
        preset=preset,
        schemas=schemas,
        grants=grants,
        future=(),
        memberships=(),
        public=public,
        enforcement=Enforcement.MANAGED,
        mode=GrantMode.RECONCILE,
        deletion_policy=GrantDeletion.REVOKE,
        expires_at=None,
        suspend=False,
    )


ROLES: dict[Grantee, str] = {UserRef("checkout"): "checkout@acme.iam", RoleRef("reporting"): "reporting"}


def test_an_entry_is_for_all_grantees_whose_role_is_known() -> None:
    written = GrantEntry(ObjectKind.TABLE, ("SELECT",), schemas=("app",), names=("orders", "items"))

    entries = entries_of(
        grant(written), {grantee: role for grantee, role in ROLES.items() if isinstance(grantee, UserRef)}
    )

    assert entries.privileges == (
        Entry(ObjectKind.TABLE, ("checkout@acme.iam",), ("SELECT",), "app", ("items", "orders")),
    )


def test_each_schema_of_an_entry_is_an_entry() -> None:
    written = GrantEntry(ObjectKind.SCHEMA, ("USAGE",), schemas=("b", "a"))

    entries = entries_of(grant(written), ROLES)

    assert [(entry.schema, entry.roles) for entry in entries.privileges] == [
        ("a", ("checkout@acme.iam", "reporting")),
        ("b", ("checkout@acme.iam", "reporting")),
    ]


def test_the_preset_read_is_all_that_reading_a_schema_takes() -> None:
    spec = expanded(grant(preset=Preset.READ, schemas=("app",)))

    assert spec.grants == (
        GrantEntry(ObjectKind.DATABASE, ("CONNECT",)),
        GrantEntry(ObjectKind.SCHEMA, ("USAGE",), schemas=("app",)),
        GrantEntry(ObjectKind.RELATION, ("SELECT",), schemas=("app",), names=("*",)),
        GrantEntry(ObjectKind.SEQUENCE, ("SELECT",), schemas=("app",), names=("*",)),
    )
    assert spec.future == (
        FutureEntry((), "app", ObjectKind.TABLE, ("SELECT",)),
        FutureEntry((), "app", ObjectKind.SEQUENCE, ("SELECT",)),
    )


def test_the_preset_write_can_use_the_sequences_of_serial_columns() -> None:
    spec = expanded(grant(preset=Preset.WRITE, schemas=("app",)))

    assert GrantEntry(ObjectKind.SEQUENCE, ("SELECT", "USAGE"), schemas=("app",), names=("*",)) in spec.grants


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (GrantEntry(ObjectKind.TABLE, ("EXECUTE",), schemas=("app",), names=("*",)), Reason.INVALID_SPEC),
        (GrantEntry(ObjectKind.TABLE, ("SELECT ON t TO evil; --",), schemas=("app",)), Reason.INVALID_SPEC),
        (GrantEntry(ObjectKind.TABLE, ("SELECT",), schemas=("app",), names=("*", "a")), Reason.INVALID_SPEC),
        (GrantEntry(ObjectKind.TABLE, ("SELECT",), schemas=("app",), names=("a\x00b",)), Reason.INVALID_SPEC),
        (GrantEntry(ObjectKind.TABLE, ("SELECT",), schemas=("é" * 32,), names=("a",)), Reason.INVALID_SPEC),
        (GrantEntry(ObjectKind.ROUTINE, ("EXECUTE",), schemas=("app",), names=("f",)), Reason.INVALID_SPEC),
        (GrantEntry(ObjectKind.LARGE_OBJECT, ("SELECT",), names=("12a",)), Reason.INVALID_SPEC),
    ],
)
def test_what_can_never_be_carried_out_is_refused(written: GrantEntry, reason: Reason) -> None:
    with pytest.raises(Refused) as caught:
        entries_of(grant(written), ROLES)

    assert caught.value.reason is reason


def test_what_is_taken_from_public_is_for_no_role() -> None:
    found = entries_of(grant(public=(PublicRevoke(ObjectKind.DATABASE, ("CONNECT",)),)), ROLES)

    assert found == Entries(public=(Entry(ObjectKind.DATABASE, (), ("CONNECT",)),))


@pytest.mark.parametrize("name", ["", "a\x00b", "a\nb", "a\x7fb", "a\x9fb", "x" * 64, "é" * 32, "\ud800"])
def test_names_that_would_be_cut_or_misread_are_refused(name: str) -> None:
    with pytest.raises(Refused):
        identifier(name, "role")


@pytest.mark.parametrize("end", ["1", "2", "@acme.com", "é"])
def test_grantees_that_differ_only_after_63_bytes_are_all_refused(end: str) -> None:
    with pytest.raises(Refused) as caught:
        identifier("x" * 63 + end, "role")

    assert caught.value.reason is Reason.INVALID_SPEC
    assert "PostgreSQL keeps 63 bytes" in caught.value.message


@pytest.mark.parametrize("name", ["a", 'x"; DROP TABLE t; --', "x" * 63, "é" * 31, "Ünïcode 雪"])
def test_names_that_can_be_quoted_pass_unchanged(name: str) -> None:
    assert identifier(name, "role") == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f()", ("f", "")),
        ("refresh(integer, text)", ("refresh", "integer, text")),
        ('Weird " Fn(numeric(10,2)[])', ('Weird " Fn', "numeric(10,2)[]")),
        ('"Quo""ted"(int)', ('Quo"ted', "int")),
    ],
)
def test_a_signature_is_a_name_and_its_types(text: str, expected: tuple[str, str]) -> None:
    assert signature(text) == expected


@pytest.mark.parametrize("text", ["f", "f(", "f(int) TO PUBLIC --)", "(int)", "f(int)) TO x --("])
def test_what_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        signature(text)
