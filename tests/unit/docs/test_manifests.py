"""Manifests of our kinds that the pages print are read by the operator as they stand."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from cloudsql_iam_operator.api.grant import DatabaseGrant
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import GRANT, GROUP, INSTANCE, USER
from cloudsql_iam_operator.api.parsing.objects import parse_grant, parse_instance, parse_user
from cloudsql_iam_operator.api.user import CloudSQLIAMUser
from support.pages import PROSE, ROOT, manifests

PARSERS: dict[str, Callable[[Any], CloudSQLInstance | CloudSQLIAMUser | DatabaseGrant]] = {
    INSTANCE.name: parse_instance,
    USER.name: parse_user,
    GRANT.name: parse_grant,
}
STORED = {"namespace": "orders", "uid": "1", "generation": 1, "creationTimestamp": "2026-12-01T00:00:00Z"}
"""What the API server adds."""

PRINTED = [
    (f"{page.relative_to(ROOT)}: {one['kind']} {one['metadata']['name']}", one)
    for page in PROSE
    for text in manifests(page.read_text())
    for one in yaml.safe_load_all(text)
    if str(one.get("apiVersion", "")).startswith(GROUP)
]


@pytest.mark.parametrize("body", [body for _, body in PRINTED], ids=[name for name, _ in PRINTED])
def test_a_manifest_of_a_page_is_read_as_it_stands(body: dict[str, Any]) -> None:
    stored = {**body, "metadata": {**STORED, **body["metadata"]}}

    assert PARSERS[body["kind"]](stored).metadata.key.name == body["metadata"]["name"]


def test_pages_print_users_and_grants() -> None:
    assert {"CloudSQLIAMUser", "DatabaseGrant"} <= {body["kind"] for _, body in PRINTED}
    assert len(PRINTED) >= 6
