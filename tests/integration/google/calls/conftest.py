"""A stand-in for Google, and the Admin API's adapter on it."""

from collections.abc import Iterator

import pytest

from cloudsql_iam_operator.adapters.google.operations import Patience
from cloudsql_iam_operator.adapters.google.sqladmin import SQLAdmin
from integration.google.stand_in import Google


@pytest.fixture
def stand_in() -> Iterator[Google]:
    google = Google()
    yield google
    google.stop()


@pytest.fixture
def admin(stand_in: Google) -> SQLAdmin:
    return SQLAdmin(stand_in.endpoints, stand_in.caller, Patience(sleep=lambda _: None))
