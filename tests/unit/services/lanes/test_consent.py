"""Whose loss a person asked for: objects that are being deleted or have ended, and none that merely vanished."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from cloudsql_iam_operator.api.names import API_VERSION, USER, Key
from cloudsql_iam_operator.services.lanes.lanes import Lanes
from cloudsql_iam_operator.services.runtime.registry import Registry
from cloudsql_iam_operator.services.runtime.threads import Threads

KEY = Key(USER.name, "orders", "checkout")


def shown(metadata: Mapping[str, Any], spec: Mapping[str, Any], **status: Any) -> dict[str, Any]:
    usual = {"name": "checkout", "namespace": "orders", "uid": "u", "generation": 1}
    return {
        "apiVersion": API_VERSION,
        "kind": USER.name,
        "metadata": {**usual, "creationTimestamp": "2026-01-01T00:00:00Z", **metadata},
        "spec": {"instanceRef": {"name": "orders"}, "principal": {"user": "ann@acme.com"}, **spec},
        "status": status,
    }


@pytest.mark.parametrize(
    ("body", "consented"),
    [
        (None, False),
        (shown({}, {}), False),
        (shown({"deletionTimestamp": "2026-01-02T00:00:00Z"}, {}), True),
        (shown({"deletionTimestamp": ""}, {}), False),
        (shown({}, {"expiresAt": "2026-01-02T00:00:00Z"}), True),
        (shown({}, {"expiresAt": "2999-01-02T00:00:00Z"}), False),
        (shown({}, {"principal": {}}), False),
        (shown({}, {"principal": {}}, expiresAt="2026-01-02T00:00:00Z"), True),
    ],
)
def test_a_deletion_and_an_end_are_consent_and_nothing_else_is(body: dict[str, Any] | None, consented: bool) -> None:
    async def told() -> bool:
        registry = Registry()
        if body is not None:
            registry.put(KEY, body)
        threads, nobody = Threads(1), lambda usernames: asyncio.sleep(0)
        try:
            return Lanes(registry, threads, nobody)._consented(KEY)
        finally:
            threads.close()

    assert asyncio.run(told()) is consented
