"""How a request meets a fault; which faults there are is in `fault`."""

import asyncio

from aiohttp import web

from cloudsql_emulator.faults.fault import Fault

FOR_EVER = 86_400.0


async def suffer(fault: Fault, request: web.Request) -> web.StreamResponse | None:
    """Let a request meet a fault: the answer it gets, None when it was only held up."""
    if fault.latency:
        await asyncio.sleep(fault.latency)
    if fault.hang:
        await asyncio.sleep(FOR_EVER)
    if fault.drop and request.transport is not None:
        request.transport.abort()
        return web.Response(status=502)  # goes nowhere
    return None if fault.status is None or fault.after else _response(fault, fault.status)


def answer_of(fault: Fault, otherwise: web.Response) -> web.Response:
    """What a call that took effect is told."""
    return otherwise if fault.status is None else _response(fault, fault.status)


def _response(fault: Fault, status: int) -> web.Response:
    answer = fault.answer()
    if isinstance(answer, str):
        return web.Response(text=answer, status=status, headers=fault.headers, content_type="text/html")
    return web.json_response(answer, status=status, headers=fault.headers)
