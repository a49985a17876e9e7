"""A PostgreSQL for each module about granting, on one ground or both, and a database of its own for each test."""

import os
from collections.abc import Iterator

import pytest

from support.granting.setting import CLOUD_SQL, EVERY_GROUND, OWN, Ground, Place, Setting

ON_BOTH = ("test_effective", "test_faults", "test_grantors", "test_limits", "test_pass")
"""Modules that run on both grounds wherever they run; the others do where every ground is asked for."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what needs a server on each ground."""
    if "setting" in metafunc.fixturenames:
        both = EVERY_GROUND in os.environ or metafunc.module.__name__.rpartition(".")[2] in ON_BOTH
        grounds = (OWN, CLOUD_SQL) if both else (OWN,)
        metafunc.parametrize("setting", grounds, indirect=True, scope="module", ids=lambda ground: ground.name)


@pytest.fixture(scope="module")
def setting(request: pytest.FixtureRequest) -> Iterator[Setting]:
    """A server of the version under test."""
    ground: Ground = request.param
    with Setting(ground) as running:
        yield running


@pytest.fixture
def place(setting: Setting) -> Place:
    """A new database with tables of `app_owner`; the operator may act as that."""
    return setting.place()
