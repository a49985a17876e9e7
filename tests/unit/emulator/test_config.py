import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cloudsql_emulator import __main__ as command
from cloudsql_emulator.acme import acme
from cloudsql_emulator.config import BadConfig, Instance, Project, load_config, parse_config, to_json

PROJECT = {"id": "acme-prod", "number": "1"}
ORDERS = {"project": "acme-prod", "region": "europe-west1", "name": "orders"}


def test_the_example_of_the_help_is_a_configuration() -> None:
    example = str(command.__doc__).partition("this is a small one:")[2]

    config = parse_config(json.loads(example))

    assert config.projects == (Project("acme-prod", "123456789012"),)
    assert [instance.name for instance in config.instances] == ["orders"]


def test_a_configuration_survives_its_way_through_json() -> None:
    config = acme()

    assert parse_config(json.loads(json.dumps(to_json(config)))) == config


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ([], "the file must be an object, and is of type list"),
        ({}, "projects is missing"),
        ({"projects": 5}, "projects must be a list, and is of type int"),
        ({"projects": ["acme"]}, "projects[0] must be an object, and is of type str"),
        ({"projects": [{"id": "acme", "number": 1}]}, "projects[0].number must be a string, and is of type int"),
        ({"projects": [PROJECT], "api": {"port": "x"}}, "api.port must be a number, and is of type str"),
        (
            {"projects": [PROJECT], "propagation": {"grants": "x"}},
            "propagation.grants must be a number, and is of type str",
        ),
        (
            {"projects": [PROJECT], "instances": [{**ORDERS, "users": [{}]}]},
            "instances[0].users[0].name is missing",
        ),
        ({"projects": [{**PROJECT, "nr": "1"}]}, "projects[0].nr: no such field; there are id, number, policy"),
    ],
)
def test_a_field_that_does_not_fit_is_named(told: Any, words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        parse_config(told)

    assert str(caught.value) == words


def test_an_instance_reads_its_lists() -> None:
    config = parse_config({"projects": [PROJECT], "instances": [{**ORDERS, "roles": ["app"], "address": None}]})

    assert config.instances == (Instance("acme-prod", "europe-west1", "orders", roles=("app",)),)


def test_a_missing_file_and_one_without_json_are_named(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text("{")

    with pytest.raises(BadConfig, match=r"none\.json: No such file or directory: name a file that can be read"):
        load_config(tmp_path / "none.json")
    with pytest.raises(BadConfig, match=r"odd\.json: no JSON: "):
        load_config(tmp_path / "odd.json")


def test_the_command_ends_with_one_line_and_status_2(tmp_path: Path) -> None:
    config = tmp_path / "empty.json"
    config.write_text("{}")

    done = subprocess.run(
        [sys.executable, "-m", "cloudsql_emulator", "--config", str(config)],
        capture_output=True,
        text=True,
        cwd=Path(command.__file__).parents[1],
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"cloudsql_emulator: {config}: projects is missing\n"
