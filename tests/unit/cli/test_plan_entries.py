"""Entries of plans in the ConfigMap that the grants of a namespace share, with an API server of ten lines."""

from typing import Any

import pytest

from cloudsql_iam_operator.adapters.cluster.objects import Cluster, Part
from cloudsql_iam_operator.adapters.cluster.rest import Answered

PART = Part("team", "cloudsql-iam-operator-plans", "plan-u1")
PATH = "/api/v1/namespaces/team/configmaps/cloudsql-iam-operator-plans"


class Server:
    """Answers every apply alike, and remembers what it was sent."""

    def __init__(self, left: dict[str, Any] | Answered) -> None:
        self._left = left
        self.applied: list[Any] = []
        self.deleted: list[str] = []

    def apply(self, path: str, limits: object, body: Any, manager: str) -> dict[str, Any]:
        self.applied.append((path, body["metadata"]["ownerReferences"], body["binaryData"], manager))
        if isinstance(self._left, Answered):
            raise self._left
        return {"metadata": {"resourceVersion": "7"}, **self._left}

    def send(self, method: str, path: str, limits: object, body: Any) -> dict[str, Any]:
        self.deleted.append(f"{method} {path} at {body['preconditions']['resourceVersion']}")
        return {}


def cluster(server: Server) -> Cluster:
    return Cluster(server)  # type: ignore[arg-type] # the lines above


def test_an_entry_is_stored_in_base64_under_its_own_manager_and_owner() -> None:
    server = Server({})

    cluster(server).store(PART, {"reads.sql.gz": b"GRANT"}, {"uid": "u1"})

    assert server.applied == [(PATH, [{"uid": "u1"}], {"reads.sql.gz": "R1JBTlQ="}, "plan-u1")]


def test_the_config_map_goes_with_its_last_entry() -> None:
    server = Server({"binaryData": {}})

    cluster(server).withdraw(PART)

    assert server.applied == [(PATH, [], {}, "plan-u1")]
    assert server.deleted == [f"DELETE {PATH} at 7"]


@pytest.mark.parametrize("left", [{"binaryData": {"other.sql.gz": ""}}, {"data": {"mine": "a person's"}}])
def test_the_config_map_stays_while_anybody_else_has_something_in_it(left: dict[str, Any]) -> None:
    server = Server(left)

    cluster(server).withdraw(PART)

    assert server.deleted == []


def test_a_namespace_that_is_going_holds_no_grant_back() -> None:
    server = Server(Answered(403, f"PATCH {PATH}", "the namespace is being terminated"))

    cluster(server).withdraw(PART)

    assert (len(server.applied), server.deleted) == (1, [])
