"""A relay in front of PostgreSQL's socket that counts how often the server was ready again: round trips."""

import selectors
import socket
import tempfile
import threading
from pathlib import Path
from typing import Self

CHUNK = 1 << 16


class Relay:
    """Listens on a Unix socket of its own. One client at a time."""

    def __init__(self, server: Path) -> None:
        self.trips = 0
        self._server = server
        self._directory = tempfile.TemporaryDirectory(prefix="relay")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(Path(self.host) / server.name))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def host(self) -> str:
        """The directory of its socket, as a connection string's `host`."""
        return self._directory.name

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self._directory.cleanup()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, socket.socket(socket.AF_UNIX) as server:
                server.connect(str(self._server))
                self._pass_on(client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        answers = b""
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    source, target = (client, server) if key.fileobj is client else (server, client)
                    data = source.recv(CHUNK)
                    if not data:
                        return
                    if source is server:
                        answers = self._counted(answers + data)
                    target.sendall(data)

    def _counted(self, answers: bytes) -> bytes:
        """Count each ReadyForQuery; what is left of an unfinished message.

        Source: PostgreSQL frontend/backend protocol: a letter, then four bytes of length that count themselves.
        """
        place = 0
        while len(answers) >= place + 5:
            end = place + 1 + int.from_bytes(answers[place + 1 : place + 5])
            if end > len(answers):
                break
            self.trips += answers[place : place + 1] == b"Z"
            place = end
        return answers[place:]
