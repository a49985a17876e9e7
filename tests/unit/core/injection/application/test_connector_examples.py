"""The examples of connectors read the variables that injection gives them, all of them and no others."""

import re

import pytest

from support.connectorexamples import DIRECTORY, LANGUAGES, program, variables

NAME = re.compile(r"\b(INSTANCE_CONNECTION_NAME|DB_[A-Z_]+)\b")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_reads_exactly_what_it_gets(language: str) -> None:
    assert set(NAME.findall(program(language))) == set(variables(language))


def test_every_language_has_its_manifest() -> None:
    assert {path.stem for path in DIRECTORY.glob("*.yaml")} == {*LANGUAGES, "access", "instance"}
