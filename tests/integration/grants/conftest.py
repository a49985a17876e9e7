"""A PostgreSQL for each module about granting, and a database of its own for each test."""

from collections.abc import Iterator

import pytest

from support.granting.setting import Place, Setting


@pytest.fixture(scope="module")
def setting() -> Iterator[Setting]:
    """A server of the version under test."""
    with Setting() as running:
        yield running


@pytest.fixture
def place(setting: Setting) -> Place:
    """A new database with tables of `app_owner`; the operator may act as that."""
    return setting.place()
