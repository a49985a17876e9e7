"""Kopf's part of the process: it watches until asked to stop, or until a definition of our kinds goes or comes back.

Kopf takes the end of one kind for its own, and cancels whatever runs beside it when it ends. So the process ends with
it, orderly, and is started again by the kubelet with the kinds that there are.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import kopf
from kopf._cogs.clients.errors import APINotFoundError

from cloudsql_iam_operator.api.names import KINDS
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.handlers import informer
from cloudsql_iam_operator.services.runtime.engine import Engine

LOOK_SECONDS = 10.0
"""How often to ask whether a definition that is missing is back."""

OURS = frozenset(kind.plural for kind in KINDS)

log = logging.getLogger(__name__)
Served = Callable[[], Awaitable[frozenset[str]]]


async def watch(engine: Engine, served: Served, stopped: asyncio.Event) -> None:
    """Feed the engine until stopped; `served` gives the plural names of the kinds that the cluster knows."""
    warden = asyncio.create_task(_stop_when_back(served, stopped))
    try:
        await kopf.operator(
            clusterwide=True,
            standalone=True,
            registry=informer.registry(engine),
            settings=informer.settings(),
            stop_flag=stopped,
        )
    except APINotFoundError:
        log.warning("the definition of one of our kinds is gone: stopping, to start again with the others")
    finally:
        warden.cancel()


async def _stop_when_back(served: Served, stopped: asyncio.Event) -> None:
    """Set `stopped` when a kind that is missing now is served."""
    missing = OURS - await _or(served, OURS)
    if not missing:
        return
    log.warning("this cluster does not know %s: install the chart's definitions", ", ".join(sorted(missing)))
    while not missing & await _or(served, frozenset()):  # noqa: ASYNC110 - only the cluster knows, and it does not call
        await asyncio.sleep(LOOK_SECONDS)
    log.warning("a definition that was missing is there: stopping, to start again with it")
    stopped.set()


async def _or(served: Served, otherwise: frozenset[str]) -> frozenset[str]:
    try:
        return await served()
    except NotYet:
        return otherwise
