"""Parsing the three kinds: what comes out, what is refused and how, and that no JSON breaks it."""

import copy
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cloudsql_iam_operator.api.grant import GrantEntry, ObjectKind
from cloudsql_iam_operator.api.instance import ConnectionName, LabelRequirement
from cloudsql_iam_operator.api.metadata import Metadata
from cloudsql_iam_operator.api.names import KINDS, Key
from cloudsql_iam_operator.api.parsing.objects import (
    InvalidObject,
    parse,
    parse_again,
    parse_grant,
    parse_instance,
    parse_user,
)
from cloudsql_iam_operator.api.user import Group, ServiceAccount

Json = dict[str, Any]

SAMPLES = Path(__file__).parent / "crd_samples"
GIVEN = {"uid": "0f6c", "generation": 2, "resourceVersion": "77", "creationTimestamp": "2026-11-01T08:00:00Z"}


def sample(name: str, **changes: object) -> Json:
    """A sample with fields of its spec replaced; None takes a field out."""
    body: Json = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())
    body["metadata"] |= GIVEN
    body["spec"] = {field: value for field, value in (body["spec"] | changes).items() if value is not None}
    return body


def rejections() -> list[Any]:
    plurals = {"instances": "instance-minimal", "users": "user-minimal", "grants": "grant-minimal"}
    return [
        pytest.param(base, case["set"], case["field"], id=f"{plural}: {case['title']}")
        for plural, base in plurals.items()
        for case in yaml.safe_load((SAMPLES / "rejected" / f"{plural}.yaml").read_text())
    ]


def verdict(body: Mapping[str, Any]) -> object:
    return parse(Key(body["kind"], "orders", "orders"), body)


@pytest.mark.parametrize(("base", "changes", "field"), rejections())
def test_what_the_schema_refuses_the_parser_refuses_by_field(base: str, changes: Json, field: str) -> None:
    refused = verdict(sample(base, **changes))

    assert isinstance(refused, InvalidObject)
    assert refused.field == field
    assert len(str(refused)) < 400


def test_metadata_is_read_from_what_the_api_server_sets() -> None:
    body = sample("user-minimal")
    body["metadata"] |= {
        "deletionTimestamp": "2026-11-02T08:00:00Z",
        "annotations": {"reconcile.iam.cloudsql.dev/requestedAt": "now"},
    }

    user = parse_user(body)

    assert user.metadata == Metadata(
        key=Key("CloudSQLIAMUser", "orders", "user-minimal"),
        uid="0f6c",
        generation=2,
        created=datetime(2026, 11, 1, 8, tzinfo=UTC),
        deleting=True,
        resource_version="77",
        requested_at="now",
    )


@pytest.mark.parametrize("missing", ["name", "namespace", "creationTimestamp"])
def test_an_object_without_identity_is_refused(missing: str) -> None:
    body = sample("user-minimal")
    del body["metadata"][missing]

    with pytest.raises(InvalidObject) as refused:
        parse_user(body)

    assert refused.value.field == f"metadata.{missing}"


def test_the_project_of_a_connection_name_may_be_domain_scoped() -> None:
    instance = parse_instance(sample("instance-minimal", connectionName="example.com:acme:europe-west1:orders"))

    assert instance.connection == ConnectionName("example.com:acme", "europe-west1", "orders")


def test_durations_become_seconds() -> None:
    instance = parse_instance(sample("instance-full", interval="1h30m5s"))

    assert (instance.interval, instance.access[0].max_expiry) == (5405, 28800)


def test_labels_are_read_as_requirements() -> None:
    instance = parse_instance(sample("instance-full"))

    assert instance.access[0].namespaces.selector == (
        LabelRequirement("team", "In", ("orders",)),
        LabelRequirement("tier", "In", ("prod",)),
    )


def test_an_empty_selector_is_not_an_absent_one() -> None:
    rules = [{"name": "all", "namespaces": {"selector": {}}}, {"name": "none", "namespaces": {}}]

    instance = parse_instance(sample("instance-minimal", access=rules))

    assert [rule.namespaces.selector for rule in instance.access] == [(), None]


def test_emails_are_read_in_lower_case() -> None:
    account = parse_user(sample("user-minimal", principal={"serviceAccount": "App@Acme.iam.gserviceaccount.com"}))
    group = parse_user(sample("user-minimal", principal={"group": "Staff@Acme.com"}))

    assert account.principal == ServiceAccount("app@acme.iam.gserviceaccount.com")
    assert group.principal == Group("staff@acme.com")


@pytest.mark.parametrize("project", ["b" * 30, "b" * 30 + ".acme-corporation.example"])
def test_the_longest_accounts_that_google_makes_are_read(project: str) -> None:
    email = "a" * 30 + "@" + project + ".iam" + ".gserviceaccount.com"

    user = parse_user(sample("user-minimal", principal={"serviceAccount": email}))

    assert user.principal == ServiceAccount(email)


def test_times_are_read_in_utc() -> None:
    user = parse_user(sample("user-minimal", expiresAt="2026-12-01T02:30:00+02:00"))

    assert user.expires_at == datetime(2026, 12, 1, 0, 30, tzinfo=UTC)


def test_a_single_schema_and_several_are_read_alike() -> None:
    one = {"kind": "Schema", "schema": "app", "privileges": ["USAGE"]}
    several = {"kind": "Schema", "schemas": ["app"], "privileges": ["USAGE"]}

    grant = parse_grant(sample("grant-minimal", grants=[one, several]))

    assert grant.grants == (GrantEntry(ObjectKind.SCHEMA, ("USAGE",), schemas=("app",)),) * 2


@pytest.mark.parametrize("given", [{"grants": None}, {"grants": []}, {"grants": [], "future": [], "preset": "none"}])
def test_a_grant_without_entries_is_refused_with_an_example(given: dict[str, Any]) -> None:
    refused = str(verdict(sample("grant-minimal", **given)))

    assert "nothing would be granted" in refused
    assert "such as grants: [{kind: Table, schema: app" in refused


@pytest.mark.parametrize(
    "given",
    [
        {"preset": "read", "schemas": ["app"]},
        {"memberships": [{"role": "app_ro"}]},
        {"future": [{"schema": "app", "kind": "Table", "privileges": ["SELECT"]}]},
        {"public": [{"kind": "Database", "revoke": ["CONNECT"]}]},
    ],
)
def test_an_entry_of_any_kind_is_enough(given: dict[str, Any]) -> None:
    assert parse_grant(sample("grant-minimal", grants=None, **given)).grants == ()


def test_an_unknown_field_is_refused_with_the_nearest_name() -> None:
    refused = verdict(sample("user-minimal", databaseRole=["app_ro"]))

    assert str(refused) == "spec.databaseRole: no such field; did you mean databaseRoles?"


def test_a_refusal_says_what_was_given_and_what_is_allowed() -> None:
    refused = verdict(sample("user-minimal", mode="Watch"))

    assert str(refused) == "spec.mode: is 'Watch'; it may be Reconcile, Observe"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"kind": "Table", "schema": "app"}, "names: Table needs names, such as ['*'] for all of them"),
        ({"kind": "Table", "names": ["*"]}, "schema: Table needs schema, such as app, or schemas"),
        ({"kind": "Column", "schema": "app", "names": ["t"]}, "columns: Column needs columns, such as ['id']"),
        (
            {"kind": "Database", "schema": "app", "privileges": ["CONNECT"]},
            "schema: Database is in no schema; leave it out",
        ),
    ],
)
def test_a_part_that_an_entry_lacks_is_told_with_an_example(entry: Json, told: str) -> None:
    refused = verdict(sample("grant-minimal", grants=[{"privileges": ["SELECT"], **entry}]))

    assert str(refused) == f"spec.grants[0].{told}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every value inside a JSON value, itself included."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    if isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(place for name, child in inner for place in places(child, (*path, name)))]


def put(body: Json, place: tuple[str | int, ...], value: object) -> Any:
    if not place:
        return value
    changed = copy.deepcopy(body)
    node: Any = changed
    for name in place[:-1]:
        node = node[name]
    node[place[-1]] = value
    return changed


@given(st.sampled_from([kind.name for kind in KINDS]), st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_any_json_object_is_read_or_refused(kind: str, body: Json) -> None:
    refused = parse(Key(kind, "orders", "orders"), body)

    assert isinstance(refused, InvalidObject)


@given(st.data(), st.sampled_from(["instance-full", "user-full", "grant-full"]), JSON)
def test_junk_at_any_place_is_read_or_refused_below_that_place(data: st.DataObject, name: str, junk: object) -> None:
    body = sample(name)
    place = data.draw(st.sampled_from(places(body["spec"])))

    result = verdict({**body, "spec": put(body["spec"], place, junk)})

    assert not isinstance(result, InvalidObject) or result.field.startswith("spec")


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.glob("*.yaml")))
def test_a_body_that_differs_in_its_metadata_only_is_read_alike_again(name: str) -> None:
    first = sample(name)
    later = copy.deepcopy(first)
    later["metadata"] |= {"resourceVersion": "78", "deletionTimestamp": "2026-11-02T08:00:00Z"}
    later["metadata"]["annotations"] = {"reconcile.iam.cloudsql.dev/requestedAt": "now"}
    before = verdict(first)
    assert not isinstance(before, InvalidObject)

    again = parse_again(before, later)  # type: ignore[arg-type] # a verdict that is no refusal

    assert again == verdict(later) != before


def test_a_body_whose_metadata_cannot_be_read_is_refused_again_too() -> None:
    body = sample("user-minimal")
    before = parse_user(body)

    again = parse_again(before, {**body, "metadata": {"name": "a"}})

    assert isinstance(again, InvalidObject)
