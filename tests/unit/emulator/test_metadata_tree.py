"""The forms in which a metadata server's values are read."""

import json

import pytest

from cloudsql_emulator.metadata.tree import Folder, found, read

ACCOUNT: Folder = {"aliases": ["default"], "email": "a@b", "scopes": ["x", "y"]}
TREE: Folder = {
    "instance": {
        "attributes": {"cluster-name": "c"},
        "id": 12,
        "service-accounts": {"default": ACCOUNT, "a-b@c": ACCOUNT},
    },
    "project": {"numeric-project-id": 7},
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "instance/\nproject/\n"),
        ("instance/", "attributes/\nid\nservice-accounts/\n"),
        ("instance/id", "12"),
        ("instance/service-accounts/default/scopes", "x\ny\n"),
        ("project/numeric-project-id", "7"),
    ],
)
def test_folders_are_listed_and_values_are_text(path: str, expected: str) -> None:
    node = found(TREE, path)

    assert node is not None
    assert read(node, recursive=False, form="") == (expected, False)


@pytest.mark.parametrize("path", ["nothing", "instance/id/below", "instance/attributes/cluster-location"])
def test_what_is_not_there_is_not_found(path: str) -> None:
    assert found(TREE, path) is None


def test_a_whole_folder_is_json_with_names_as_json_has_them() -> None:
    text, is_json = read(TREE, recursive=True, form="")

    assert is_json
    assert json.loads(text) == {
        "instance": {
            "attributes": {"cluster-name": "c"},
            "id": 12,
            "serviceAccounts": {"default": ACCOUNT, "a-b@c": ACCOUNT},
        },
        "project": {"numericProjectId": 7},
    }


def test_a_whole_folder_may_be_text() -> None:
    assert read(TREE["project"], recursive=True, form="text") == ("numeric-project-id 7\n", False)


def test_a_value_may_be_json() -> None:
    assert read("a", recursive=False, form="json") == ('"a"', True)
