"""Kopf's part of the process: it watches until asked to stop, or until a definition of our kinds goes or comes back.

Kopf takes the end of one kind for its own, and cancels whatever runs beside it when it ends. So the process ends with
it, orderly, and is started again by the kubelet with the kinds that there are.
"""

import asyncio
import logging

import kopf
from kopf._cogs.clients.errors import APINotFoundError

from cloudsql_iam_operator.adapters.cluster.definitions import Definition
from cloudsql_iam_operator.api.names import KINDS
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.handlers import informer
from cloudsql_iam_operator.services.runtime.departures import Departures
from cloudsql_iam_operator.services.runtime.engine import Engine

ASK_SECONDS = 10.0
"""How often to ask which definitions there are."""

log = logging.getLogger(__name__)


async def watch(engine: Engine, departures: Departures, stopped: asyncio.Event) -> None:
    """Feed the engine until stopped, and see off the objects of kinds that are being deleted."""
    watched = await _served(departures)
    if missing := set(KINDS) - {definition.kind for definition in watched}:
        names = ", ".join(sorted(kind.plural for kind in missing))
        log.warning("this cluster does not serve %s: install the chart's definitions", names)
    warden = asyncio.create_task(_ward(departures, watched, stopped))
    try:
        await kopf.operator(
            clusterwide=True,
            standalone=True,
            registry=informer.registry(engine),
            settings=informer.settings(),
            memories=informer.NoMemories(),
            stop_flag=stopped,
        )
    except APINotFoundError:
        log.warning("the definition of one of our kinds is gone: stopping, to start again with the others")
    finally:
        warden.cancel()


async def _ward(departures: Departures, watched: frozenset[Definition], stopped: asyncio.Event) -> None:
    """Set `stopped` when there is a definition that is not watched: it is new, or was deleted and made again."""
    while await _served(departures) <= watched:  # noqa: ASYNC110 - only the cluster knows, and it does not call
        await asyncio.sleep(ASK_SECONDS)
    log.warning("the definition of one of our kinds is new: stopping, to start again with it")
    stopped.set()


async def _served(departures: Departures) -> frozenset[Definition]:
    """Definitions that are there to stay; objects of the others, which kopf does not watch, are let go on the way."""
    while True:
        try:
            found = await departures.definitions()
            for definition in found:
                if definition.going:
                    await departures.see_off(definition.kind)
            return frozenset(definition for definition in found if not definition.going)
        except NotYet as failure:
            log.warning("which definitions there are is not known: %s", failure)
            await asyncio.sleep(ASK_SECONDS)
