"""The verb `inject`: manifests with the proxy in their pod templates, on standard output. Nothing is written elsewhere.

The planner is the webhook's own: what is printed is what the webhook would do to the pods.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator.adapters.cluster.admission import AdmissionCluster
from cloudsql_iam_operator.adapters.cluster.documents import Document, documents
from cloudsql_iam_operator.adapters.cluster.manifests import is_ours, objects
from cloudsql_iam_operator.adapters.cluster.objects import connect
from cloudsql_iam_operator.cli.facts import Known, NoCluster, Stored
from cloudsql_iam_operator.cli.rendering import difference, joined, rendered
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.injection.pod import MalformedPod
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.injection.workloads.migration import migrated
from cloudsql_iam_operator.core.injection.workloads.rewritten import Rewritten, World, injected

SAME, FAILED, CHANGED = 0, 1, 2
"""Exit statuses; CHANGED only where a difference is asked for."""

PATIENCE = (5.0, 25.0)
"""Connect and read limits of one call to the API server, seconds."""

Rewrite = Callable[[Any, str, World, InjectionSettings], Rewritten]


@dataclass(frozen=True, slots=True)
class Request:
    """Where the manifests are, the namespace of those that name none, and what is asked for.

    With `offline` the cluster is not asked: what the manifests do not hold does not exist. `migrate` puts annotations
    in the place of proxies that stand in the manifests, and injects nothing; what changes is shown as well. `diff`
    prints only that.
    """

    sources: tuple[str, ...]
    namespace: str
    diff: bool = False
    offline: bool = False
    migrate: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes to standard output and to standard error, and the exit status."""

    text: str
    said: tuple[str, ...]
    status: int


def inject(request: Request, settings: InjectionSettings) -> Answer:
    """The manifests after injection or migration. Nothing is printed of them when one is refused.

    Raises:
        ValueError: the manifests cannot be read, or there is no cluster.
    """
    read = documents(request.sources)
    bodies = [(body, each.source) for each in read if each.body is not None for body in objects(each.body, each.source)]
    for body, source in bodies:
        is_ours(body, source)  # one that is meant to be and is not stops everything
    known = Known(_stored(request), [body for body, _ in bodies], request.namespace)
    rewrite: Rewrite = migrated if request.migrate else injected
    try:
        done = [_rewritten(each, rewrite, request, known, settings) for each in read]
    except Failure as failure:
        raise ValueError(str(failure)) from failure
    return _answer(read, done, request)


def _stored(request: Request) -> Stored:
    return NoCluster() if request.offline else AdmissionCluster(connect().server, PATIENCE)


def _rewritten(
    each: Document, rewrite: Rewrite, request: Request, world: World, settings: InjectionSettings
) -> Rewritten:
    try:
        return rewrite(each.body, request.namespace, world, settings)
    except MalformedPod as malformed:
        raise ValueError(f"{each.source} holds a workload that is none: {malformed}") from malformed


def _answer(read: Sequence[Document], done: Sequence[Rewritten], request: Request) -> Answer:
    said = [f"{each.source}: {text}" for each, after in zip(read, done, strict=True) for text in after.warnings]
    refused = [f"{each.source}: {text}" for each, after in zip(read, done, strict=True) for text in after.refusals]
    if refused:
        return Answer("", (*said, *refused), FAILED)
    pairs = list(zip(read, (after.body for after in done), strict=True))
    changes = "".join(difference(each, body) for each, body in pairs)
    if request.diff:
        return Answer(changes, tuple(said), CHANGED if changes else SAME)
    shown = changes.splitlines() if request.migrate else ()
    return Answer(joined([(each.source, rendered(each, body)) for each, body in pairs]), (*said, *shown), SAME)
