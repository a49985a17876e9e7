"""kopf's own webhook server with a handler that injects as its documentation shows: what admission costs usually."""

import asyncio
import logging
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kopf

from benchmarks.admitting import standin
from cloudsql_iam_operator.webhook.certificates.certificate import KEY, LEAF, issued
from support.podshapes import IMAGE, PG
from support.webhookparts.server import NAME

PATIENCE = 60.0
KINDS = [{"name": "pods", "singularName": "pod", "kind": "Pod", "namespaced": True, "verbs": ["list", "watch"]}]
PROXY = {"name": "cloudsql-proxy", "image": IMAGE, "restartPolicy": "Always", "args": ["acme-prod:europe-west1:orders"]}


def inject(patch: kopf.Patch, spec: kopf.Spec, **_: Any) -> None:
    """Add a proxy, and variables before those of each container."""
    ours = [{"name": name, "value": value} for name, value in PG.items()]
    patch.spec["initContainers"] = [PROXY, *spec.get("initContainers", [])]
    patch.spec["containers"] = [{**each, "env": [*ours, *each.get("env", [])]} for each in spec["containers"]]


class Empty:
    """A cluster that knows of pods, and has none."""

    def listed(self, path: str) -> dict[str, Any]:
        known: dict[str, dict[str, Any]] = {
            "/api": {"versions": ["v1"]},
            "/apis": {"groups": []},
            "/api/v1": {"resources": KINDS},
        }
        return known.get(path, {"items": [], "metadata": {"resourceVersion": "1"}})

    def news(self, _path: str) -> Iterator[bytes]:
        threading.Event().wait()
        yield b""


def serve(_told: None) -> tuple[int, bytes]:
    """Start it in a thread; its port and what to trust."""
    logging.disable(logging.INFO)
    certificates, port, api = issued((NAME,), datetime.now(UTC)), _free_port(), standin.serve(Empty())

    async def operate(folder: Path) -> None:
        registry, settings = kopf.OperatorRegistry(), kopf.OperatorSettings()
        kopf.on.mutate("", "v1", "pods", id="inject", registry=registry)(inject)
        kopf.on.login(registry=registry)(lambda **_: kopf.ConnectionInfo(server=f"http://127.0.0.1:{api}"))
        settings.admission.server = kopf.WebhookServer(
            addr="127.0.0.1", port=port, certfile=folder / LEAF, pkeyfile=folder / KEY
        )
        await kopf.operator(registry=registry, settings=settings, standalone=True, clusterwide=True)

    def run() -> None:
        with tempfile.TemporaryDirectory(prefix="usual") as name:
            folder = Path(name)
            for part, value in certificates.values().items():
                (folder / part).write_bytes(value)
            asyncio.run(operate(folder))

    threading.Thread(target=run, daemon=True).start()
    _await_listening(port)
    return port, certificates.bundle


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _await_listening(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
