"""The relay that counts round trips: what it counts, in a conversation with a made-up server."""

import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.relay import Relay

READY = b"Z\x00\x00\x00\x05I"
ROW = b"D\x00\x00\x00\x08ZZZZ"
"""A message whose content looks like the letter that is counted."""

SECONDS = 30


class Server:
    """Accepts clients one by one, and sends each the next of its answers, in the pieces given."""

    def __init__(self, place: Path, answers: Sequence[Sequence[bytes]]) -> None:
        self._answers = answers
        self._listener = socket.create_server(str(place), family=socket.AF_UNIX)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._thread.join(SECONDS)
        self._listener.close()

    def _serve(self) -> None:
        for pieces in self._answers:
            client, _ = self._listener.accept()
            with client:
                client.recv(100)
                for piece in pieces:
                    client.sendall(piece)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / ".s.PGSQL.5432"


def asked(relay: Relay, place: Path) -> bytes:
    """All that the server behind the relay answers to one question."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SECONDS)
        client.connect(str(Path(relay.host) / place.name))
        client.sendall(b"question")
        return b"".join(iter(lambda: client.recv(100), b""))


def test_every_ready_for_query_is_a_trip_and_rows_are_none(place: Path) -> None:
    server = Server(place, [[ROW + READY + ROW + ROW + READY]])

    with Relay(place) as relay:
        answer = asked(relay, place)

    assert answer == ROW + READY + ROW + ROW + READY
    assert relay.trips == 2
    server.close()


def test_a_message_that_comes_in_pieces_is_counted_once(place: Path) -> None:
    server = Server(place, [[ROW[:3], ROW[3:] + READY[:2], READY[2:]]])

    with Relay(place) as relay:
        answer = asked(relay, place)

    assert answer == ROW + READY
    assert relay.trips == 1
    server.close()


def test_clients_one_after_another_are_counted_together(place: Path) -> None:
    server = Server(place, [[READY], [READY, READY]])

    with Relay(place) as relay:
        answers = [asked(relay, place), asked(relay, place)]

    assert answers == [READY, READY + READY]
    assert relay.trips == 3
    server.close()
