"""A PostgreSQL for each module, laid out as Cloud SQL has it, and a database of its own for each test."""

from collections.abc import Iterator

import pytest

from support.granting.setting import CLOUD_SQL, Place, Setting


@pytest.fixture(scope="module")
def setting() -> Iterator[Setting]:
    with Setting(CLOUD_SQL) as running:
        yield running


@pytest.fixture
def place(setting: Setting) -> Place:
    return setting.place()
