"""The verb `plan`: what the grants of some manifests would have executed, on standard output. Nothing is written."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cloudsql_iam_operator.adapters.cluster.manifests import manifests
from cloudsql_iam_operator.adapters.cluster.objects import connect
from cloudsql_iam_operator.adapters.google.endpoints import endpoints_from
from cloudsql_iam_operator.api.names import GRANT
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.visibility import visible
from cloudsql_iam_operator.services.assembly import previewing
from cloudsql_iam_operator.services.reconcilers.preview import Preview

NOTHING, FAILED, CHANGES = 0, 1, 2
"""Exit statuses: nothing to do; something could not be planned whole; statements would be executed."""


@dataclass(frozen=True, slots=True)
class Request:
    """Where the manifests are, the namespace of those that name none, that of the operator's Secrets, and the form.

    With `offline` the manifests' CloudSQLInstances count, and with them what is allowed; else only the cluster's do.
    """

    sources: tuple[str, ...]
    namespace: str
    operator_namespace: str
    form: str
    offline: bool = False


def plan(request: Request, environment: Mapping[str, str]) -> tuple[str, int]:
    """The plans as text, and the exit status.

    Raises:
        ValueError: the manifests cannot be read, hold no DatabaseGrant, or there is no cluster.
    """
    bodies = manifests(request.sources, request.namespace)
    if not any(body["kind"] == GRANT.name for body in bodies):
        raise ValueError(f"no DatabaseGrant in {', '.join(request.sources)}: name files or directories that hold some")
    try:
        previews = asyncio.run(_previews(bodies, request, environment))
    except Failure as failure:
        raise ValueError(str(failure)) from failure
    return as_text(previews, request.form), status_of(previews)


def as_text(previews: list[Preview], form: str) -> str:
    """The previews as `sql` or `json`, with nothing in it that a terminal would obey."""
    return _as_json(previews) if form == "json" else _as_sql(previews)


def status_of(previews: Iterable[Preview]) -> int:
    """The exit status that sums them up; a failure outweighs changes."""
    seen = list(previews)
    if any(one.problems for one in seen):
        return FAILED
    return CHANGES if any(one.statements for one in seen) else NOTHING


async def _previews(bodies: list[dict[str, Any]], request: Request, environment: Mapping[str, str]) -> list[Preview]:
    with previewing(connect(), request.operator_namespace, endpoints_from(environment)) as previews:
        keys = await previews.learn(bodies, offline=request.offline)
        return await previews.of([key for key in keys if key.kind == GRANT.name])


def _as_sql(previews: list[Preview]) -> str:
    lines: list[str] = []
    for (instance, database), group in groupby(previews, key=lambda one: (one.instance, one.database)):
        lines.append(f"-- instance {instance}, database {database}" if instance else "-- not planned")
        for one in group:
            lines += ["", f"-- {one.key}: {_summary(one)}", *(f"{statement};" for statement in one.statements)]
            lines += [f"-- {problem.reason}: {' '.join(problem.message.split())}" for problem in one.problems]
        lines.append("")
    return "\n".join(visible(line) for line in lines)


def _summary(one: Preview) -> str:
    if one.statements:
        return f"{len(one.statements)} statements, {one.plan_hash}"
    return "incomplete" if one.problems else "nothing to do"


def _as_json(previews: list[Preview]) -> str:
    shown = [
        {
            "instance": one.instance,
            "database": visible(one.database),
            "namespace": one.key.namespace,
            "name": one.key.name,
            "hash": one.plan_hash,
            "statements": [visible(statement) for statement in one.statements],
            "problems": [{"reason": str(p.reason), "message": visible(p.message)} for p in one.problems],
        }
        for one in previews
    ]
    return json.dumps({"grants": shown}, indent=2, ensure_ascii=False) + "\n"
