"""A relay in front of the API server, where writes are counted. Plain HTTP on loopback, the administrator's rights."""

import asyncio
import json
import ssl
from base64 import b64decode
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from aiohttp import web
from yarl import URL

from chaos.fate import Fate

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_KEPT = ("Accept", "Content-Type")
_UNCOUNTED = ("/leases", "/events")
"""Heartbeats and messages to people: nothing hangs on them, and they come at their own time."""


class Relay:
    """Has an event loop to itself."""

    def __init__(self, kubeconfig: Path, fate: Fate) -> None:
        self._config = json.loads(kubeconfig.read_text())
        self._fate = fate
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> str:
        """Listen; the base address."""
        connector = aiohttp.TCPConnector(ssl=_context(self._config), limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=None), skip_auto_headers=["Content-Type"]
        )
        application = web.Application(client_max_size=1 << 24)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        """Close everything, watches too."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        assert self._session is not None
        body = await request.read()
        counted = request.method not in _READS and not any(part in request.path for part in _UNCOUNTED)
        told = self._fate.came(f"{request.method} {request.path}") if counted else None
        if counted and told is None:
            return web.Response(status=503)
        server = self._config["clusters"][0]["cluster"]["server"]
        headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
        url = URL(server + request.raw_path, encoded=True)
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            if told is not None:
                content = await answer.read()
                told()
                return web.Response(body=content, status=answer.status, content_type=answer.content_type)
            return await _passed_on(request, answer)


async def _passed_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]})
    await response.prepare(request)
    with suppress(ConnectionResetError):  # the operator was killed, as operators are here
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    return response


def _context(config: dict[str, list[dict[str, dict[str, str]]]]) -> ssl.SSLContext:
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
    with TemporaryDirectory() as directory:
        pair = Path(directory, "pair.pem")
        pair.write_bytes(b64decode(user["client-certificate-data"]) + b64decode(user["client-key-data"]))
        context.load_cert_chain(pair)
    return context
