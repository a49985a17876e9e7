"""Events: what is in their text, and which of those that the API server refuses are worth a warning."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from cloudsql_iam_operator.adapters.cluster.objects import Cluster, Notice
from cloudsql_iam_operator.adapters.cluster.rest import Answered

NOTICE = Notice({"kind": "DatabaseGrant", "metadata": {"name": "app", "namespace": "orders"}}, False, "Granted", "done")
GOING = 'events "app.1" is forbidden: unable to create new content in namespace orders because it is being terminated'


class Refusing:
    """An API server that answers every write with one error."""

    def __init__(self, answered: Answered) -> None:
        self._answered = answered

    def send(self, *_: Any) -> None:
        raise self._answered


class Taking:
    """An API server that takes every write and keeps what it was sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, _: str, __: str, ___: float, body: Any) -> None:
        self.sent.append(body)


def test_no_character_of_an_event_is_obeyed_by_a_terminal() -> None:
    server = Taking()

    Cluster(server).post(replace(NOTICE, message='granted on "z\x1b[2J\u202e\n"'))  # type: ignore[arg-type] # above

    assert [event["message"] for event in server.sent] == ['granted on "z\\x1b[2J\\u202e\\n"']


@pytest.mark.parametrize(
    ("status", "words", "level"),
    [
        (403, GOING, "DEBUG"),
        (404, 'namespaces "orders" not found', "DEBUG"),
        (403, 'events is forbidden: User "operator" cannot create resource "events"', "WARNING"),
        (404, "the server could not find the requested resource", "WARNING"),
        (500, "etcd is away", "WARNING"),
    ],
)
def test_an_event_refused_by_a_namespace_that_is_going_is_no_news(
    caplog: pytest.LogCaptureFixture, status: int, words: str, level: str
) -> None:
    caplog.set_level(logging.DEBUG)
    server = Refusing(Answered(status, "POST /api/v1/namespaces/orders/events", words))

    Cluster(server).post(NOTICE)  # type: ignore[arg-type] # the lines above

    told = [one for one in caplog.records if one.name.startswith("cloudsql_iam_operator")]
    assert [(one.levelname, words in one.getMessage()) for one in told] == [(level, True)]
