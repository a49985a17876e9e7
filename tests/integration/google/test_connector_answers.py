"""Whatever Google answers the connector, it ends in a verdict that waits: no bug, and no token that shows."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from google.auth.credentials import Credentials, Scoped

from cloudsql_emulator.emulator import Emulator
from cloudsql_emulator.faults.answers import ANSWERS
from cloudsql_iam_operator.adapters.google.credentials import Identity
from cloudsql_iam_operator.adapters.postgres.connect import Connectors
from cloudsql_iam_operator.api.instance import IPType
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason, Standing
from integration.google.ground import OPERATOR, ORDERS, emulated

SLOW = {"500", "502 HTML", "503"}
"""Answers that the connector itself tries again, for seconds."""


class Minted(Credentials, Scoped):
    """The operator's token, for whatever it is scoped."""

    def __init__(self, token: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # google-auth leaves it untyped
        self.token = token
        self.expiry = datetime(2999, 1, 1)  # noqa: DTZ001 - google-auth has no zones

    def refresh(self, request: Any) -> None:
        self.expiry = datetime(2999, 1, 1) + timedelta(hours=1)  # noqa: DTZ001

    def with_scopes(self, scopes: Any, default_scopes: Any = None) -> "Minted":
        return Minted(str(self.token))

    @property
    def requires_scopes(self) -> bool:
        return False


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulated() as running:
        yield running


@pytest.mark.parametrize("method", [r"sql\.connect\.get", r"sql\.connect\.generateEphemeral"])
def test_every_answer_to_the_connector_is_a_verdict_that_waits(emulator: Emulator, method: str) -> None:
    token = emulator.admin.mint_token(OPERATOR)
    identity = Identity(Minted(token), "the operator's own identity")
    reasons: dict[str, Reason] = {}

    for name, answer in ANSWERS.items():
        if name in SLOW:
            continue
        emulator.admin.add_fault(method, times=None, **answer)
        connectors = Connectors(emulator.api_url)
        try:
            with pytest.raises(NotYet) as caught:
                connectors.iam(identity, ORDERS, "operator@acme-prod.iam", IPType.PUBLIC)("orders")
        finally:
            connectors.close()
            emulator.admin.clear_faults()
        reasons[name] = caught.value.reason
        assert token not in caught.value.message

    assert {reason.standing for reason in reasons.values()} == {Standing.WAITS}
    assert reasons["403 VPC Service Controls"] is Reason.VPC_SERVICE_CONTROLS
    assert reasons["200 empty object"] is Reason.UNEXPECTED_ANSWER
