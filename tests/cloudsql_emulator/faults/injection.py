"""How a request meets a fault; which faults there are is in `fault`."""

import asyncio
import socket
import struct

from aiohttp import web

from cloudsql_emulator.faults.fault import Fault, Place

FOR_EVER = 86_400.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


async def suffer(fault: Fault, request: web.Request, service: str = "") -> web.StreamResponse | None:
    """Let a request meet a fault: the answer it gets, None when it was only held up.

    `service` is the host name of the API that was asked; without it the name in the request.
    """
    if fault.latency:
        await asyncio.sleep(fault.latency)
    if fault.hang:
        await asyncio.sleep(FOR_EVER)
    if fault.drop:
        _reset(request)
        return web.Response(status=502)  # goes nowhere
    if fault.status is None:
        return None
    return await _answered(
        fault, fault.status, request, Place(service or request.host, request.raw_path.partition("?")[0])
    )


async def _answered(fault: Fault, status: int, request: web.Request, place: Place) -> web.StreamResponse:
    answer = fault.answer(place)
    if not fault.half:
        return web.Response(body=answer.content, status=status, headers=answer.headers)
    await request.read()  # a connection that is closed with something unread is reset, and the answer lost
    promised = {**answer.headers, "Content-Length": str(len(answer.content))}
    response = web.StreamResponse(status=status, headers=promised)
    await response.prepare(request)
    await response.write(answer.content[: len(answer.content) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def _reset(request: web.Request) -> None:
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
