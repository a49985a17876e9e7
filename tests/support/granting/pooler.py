"""A relay before a PostgreSQL that refuses startup options in the words of pgbouncer, and passes everything else on."""

import socket
import struct
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

REFUSAL = "unsupported startup parameter: options"


class Pooler:
    """Listens on a Unix socket in `host`, and counts what it refused."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._directory = TemporaryDirectory()
        self.host = self._directory.name
        self.refused = 0
        self._listener = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Self:
        self._listener.bind(str(Path(self.host, self._server.name)))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._listener.close()
        self._directory.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            first = _packet(client)
            if b"\0options\0" in first:
                self.refused += 1
                client.sendall(_error(REFUSAL))
                return
            server.connect(str(self._server))
            server.sendall(first)
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join()


def _packet(client: socket.socket) -> bytes:
    head = client.recv(4, socket.MSG_WAITALL)
    return head + client.recv(struct.unpack("!I", head)[0] - 4, socket.MSG_WAITALL)


def _error(text: str) -> bytes:
    fields = b"".join(code + word.encode() + b"\0" for code, word in ((b"S", "FATAL"), (b"C", "08P01"), (b"M", text)))
    return b"E" + struct.pack("!I", len(fields) + 5) + fields + b"\0"


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
