"""What is said about a proxy that stands where ours would go: what it is, and how to replace it, in one sentence."""

from collections.abc import Collection, Iterable

from cloudsql_iam_operator.api.annotations import PREFIX
from cloudsql_iam_operator.api.injection.access import INJECT, INSTANCES
from cloudsql_iam_operator.core.injection.neighbours.proxies import OtherProxy, ProxyKind
from cloudsql_iam_operator.core.injection.neighbours.recognition import works
from cloudsql_iam_operator.core.injection.neighbours.translation import translated

_DECIDED = frozenset({"auto-iam-authn", "ip-type"})
"""What the CloudSQLIAMUser and its CloudSQLInstance say, whatever the old proxy did."""


def conflict(others: Iterable[OtherProxy], connections: Collection[str]) -> str:
    """Why a proxy for these instances is not put beside the others, and what helps; "" when it can be.

    One that ends before the application starts is no reason.
    """
    lasting = [other for other in others if other.lasts]
    twin = next(((other, each) for each in connections for other in lasting if other.serves(each)), None)
    if twin is not None:
        other, connection = twin
        what = f"is a proxy for {connection} already, {other.kind}"
        return f"container {other.container.name} {what}: {_way(other, connection)}"
    hidden = next((other for other in lasting if other.unseen), None)
    if hidden is None:
        return ""
    return (
        f"container {hidden.container.name} is {hidden.kind}, and for which instance cannot be seen in the pod: remove "
        f"it if it is for {', '.join(connections)}, else name its instance in its args"
    )


def _way(twin: OtherProxy, connection: str) -> str:
    """How to get rid of it: the annotations to write in its place, or what cannot be written."""
    if twin.kind is ProxyKind.OPERATOR:
        return f"take the workload out of its AuthProxyWorkload, or take {INJECT} off"
    translation = translated(twin, connection)
    remove = "take it out of the container's command" if works(twin.container) else "remove it"
    lost = ", ".join(what for what in translation.lost if what not in _DECIDED)
    if lost:
        return f"{remove} (annotations have nothing for: {lost}), or take {INJECT} off"
    if len(twin.dialled) > 1:
        return f"{remove}, and name its other instances in {INSTANCES}, or take {INJECT} off"
    named = ((name.removeprefix(PREFIX), value) for name, value in translation.annotations)
    written = " ".join(f'{name}="{value}"' for name, value in named if name not in _DECIDED)
    return f"{remove}{f', annotate the pod with {PREFIX}… {written}' if written else ''}, or take {INJECT} off"
