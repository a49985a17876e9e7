"""Splices connections from a listening socket that was opened elsewhere to one address. Nothing is looked at."""

import asyncio
import contextlib
import signal
import socket
import sys

CHUNK = 65536


async def serve(listener: socket.socket, host: str, port: int) -> None:
    """Relay until cancelled; a connection whose target cannot be reached is closed, and the next one is tried anew."""

    async def splice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            try:
                there, onward = await asyncio.open_connection(host, port)
            except OSError:
                return
            with contextlib.closing(onward):
                await asyncio.gather(_copy(reader, onward), _copy(there, writer))

    server = await asyncio.start_server(splice, sock=listener)
    async with server:
        await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass everything on, then the end of it; a side that breaks off ends its direction only."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()


if __name__ == "__main__":
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # a terminal's Ctrl-C is for the command; the relay goes with the sandbox
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], int(sys.argv[3])))
