"""kopf's own webhook server with a handler that injects as its documentation shows: what admission costs usually."""

import asyncio
import tempfile
import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import kopf
from kopf._cogs.structs.ephemera import AnyMemo, Memo
from kopf._cogs.structs.references import Insights, Resource
from kopf._core.engines.admission import serve_admission_request
from kopf._core.reactor.inventory import ResourceMemories

from cloudsql_iam_operator.webhook.certificates.certificate import KEY, LEAF, issued
from support.podshapes import IMAGE, PG
from support.webhookparts.server import NAME

PODS = Resource("", "v1", "pods", kind="Pod", namespaced=True)
PROXY = {"name": "cloudsql-proxy", "image": IMAGE, "restartPolicy": "Always", "args": ["acme-prod:europe-west1:orders"]}


def inject(patch: kopf.Patch, spec: kopf.Spec, **_: Any) -> None:
    """Add a proxy, and variables before those of each container."""
    ours = [{"name": name, "value": value} for name, value in PG.items()]
    patch.spec["initContainers"] = [PROXY, *spec.get("initContainers", [])]
    patch.spec["containers"] = [{**each, "env": [*ours, *each.get("env", [])]} for each in spec["containers"]]


def serve_usual() -> tuple[int, bytes]:
    """Start it in a thread; its port and what to trust."""
    certificates, begun, port = issued((NAME,), datetime.now(UTC)), threading.Event(), list[int]()

    async def serve(folder: Path) -> None:
        registry, insights = kopf.OperatorRegistry(), Insights()
        kopf.on.mutate("", "v1", "pods", id="inject", registry=registry)(inject)
        insights.webhook_resources.add(PODS)
        decide = partial(
            serve_admission_request,
            settings=kopf.OperatorSettings(),
            memories=ResourceMemories(),
            memobase=AnyMemo(Memo()),
            registry=registry,
            insights=insights,
            indices={},
        )
        server = kopf.WebhookServer(addr="127.0.0.1", certfile=folder / LEAF, pkeyfile=folder / KEY)
        async for client in server(decide):
            port.append(int((client["url"] or "").rpartition(":")[2].partition("/")[0]))
            begun.set()
            await asyncio.Event().wait()

    def run() -> None:
        with tempfile.TemporaryDirectory(prefix="usual") as name:
            folder = Path(name)
            for part, value in certificates.values().items():
                (folder / part).write_bytes(value)
            asyncio.run(serve(folder))

    threading.Thread(target=run, daemon=True).start()
    if not begun.wait(60):
        raise RuntimeError("kopf's server did not begin to listen")
    return port[0], certificates.bundle
