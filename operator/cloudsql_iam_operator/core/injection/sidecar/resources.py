"""Requests and limits of the proxy: what the pod says, else what is usual, bent to the namespace's rules."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from cloudsql_iam_operator.api.injection.annotation import Annotation
from cloudsql_iam_operator.api.injection.quantities import exceeds, is_zero, quantity
from cloudsql_iam_operator.api.injection.sidecar import CPU_LIMIT, CPU_REQUEST, MEMORY_LIMIT, MEMORY_REQUEST
from cloudsql_iam_operator.core.injection.facts import LimitRangeFact
from cloudsql_iam_operator.core.injection.pod import Frame
from cloudsql_iam_operator.core.injection.sidecar.company import SetAside
from cloudsql_iam_operator.core.injection.sidecar.share import Share
from cloudsql_iam_operator.core.injection.sidecar.situation import Situation

CPU, MEMORY, STORAGE = "cpu", "memory", "ephemeral-storage"

REQUESTS = {CPU: "50m", MEMORY: "64Mi", STORAGE: ""}
"""What is set aside when nothing says otherwise."""

COUNTED_LIMITS = {CPU: "500m", MEMORY: "256Mi", STORAGE: "128Mi"}
"""Limits where a quota counts them and nobody says any; the kubelet keeps five logs of 10 MiB for a container."""

COUNTED_REQUESTS = {**REQUESTS, STORAGE: "32Mi"}

_SAID: Mapping[str, tuple[Annotation[str], Annotation[str]]] = {
    CPU: (CPU_REQUEST, CPU_LIMIT),
    MEMORY: (MEMORY_REQUEST, MEMORY_LIMIT),
}


def shares(on: Situation, running: Sequence[SetAside]) -> tuple[Share, ...]:
    """Requests and limits of the proxy by resource; `running` is what the containers beside it have."""
    counted = frozenset(name for quota in on.facts.about.quotas for name in quota.counted)
    return tuple(_share(name, on, running, counted) for name in (CPU, MEMORY, STORAGE))


def resource_warnings(found: Sequence[Share], on: Situation, running: Sequence[SetAside]) -> Iterator[str]:
    """Rules that will refuse the pod: what it says itself is not bent, and a sum may not fit."""
    about = on.facts.about
    for share in found:
        for one in about.ranges:
            broken = _broken_sum(one, share, running) if one.of_pod else _broken(one, share)
            if broken:
                yield f"LimitRange {one.name} will refuse the pod: {broken}"
        most = on.frame.limits.get(share.resource, "")
        if share.limit_said and exceeds(share.limit, most):
            yield f"spec.resources of the pod limits {share.resource} to {most}, less than the proxy's {share.limit}"


def _share(name: str, on: Situation, running: Sequence[SetAside], counted: frozenset[str]) -> Share:
    said = _SAID.get(name)
    request, limit = (on.wishes[said[0]], on.wishes[said[1]]) if said else ("", "")
    settings = on.settings
    usual = {CPU: settings.cpu_limit, MEMORY: settings.memory_limit, STORAGE: settings.storage_limit}[name]
    share = Share(
        resource=name,
        request=request or (COUNTED_REQUESTS if {name, f"requests.{name}"} & counted else REQUESTS)[name],
        limit=limit or usual or _default(name, on) or (COUNTED_LIMITS[name] if f"limits.{name}" in counted else ""),
        request_said=bool(request),
        limit_said=bool(limit),
    )
    for one in on.facts.about.ranges:
        share = share if one.of_pod else _within(one, share)
    return _agreed(_beside(on.frame, running, share))


def _default(name: str, on: Situation) -> str:
    """The limit that a LimitRange gives to containers without one, "" for none."""
    return next((one.limit[name] for one in on.facts.about.ranges if not one.of_pod and name in one.limit), "")


def _within(one: LimitRangeFact, share: Share) -> Share:
    """The share bent to one LimitRange, where the pod does not say otherwise."""
    name = share.resource
    least, most, ratio = one.least.get(name, ""), one.most.get(name, ""), one.ratio.get(name, "")
    if not share.limit_said:
        limit = share.limit or most
        limit = most if exceeds(limit, most) else limit
        share = replace(share, limit=least if least and limit and exceeds(least, limit) else limit)
    if not share.request_said:
        request = least if least and (not share.request or exceeds(least, share.request)) else share.request
        share = replace(share, request=most if exceeds(request, most) else request)
    return _at_ratio(share, ratio) if ratio else share


def _at_ratio(share: Share, ratio: str) -> Share:
    """With a request that the limit is at most so many times of."""
    factor, limit, request = quantity(ratio), quantity(share.limit), quantity(share.request)
    if share.request_said or not factor or not limit or request is None or limit <= request * factor:
        return share
    return replace(share, request=_written(share.resource, limit / factor))


def _beside(pod: Frame, running: Sequence[SetAside], share: Share) -> Share:
    """Within what the pod has as a whole: its containers together may not request more, and none be limited to more."""
    name = share.resource
    most, whole = pod.limits.get(name, ""), quantity(pod.requests.get(name, "") or pod.limits.get(name, ""))
    if not share.limit_said and exceeds(share.limit, most):
        share = replace(share, limit=most)
    if share.request_said or whole is None:
        return share
    left = whole - _sum(running, "requests", name)
    wanted = quantity(share.request) or Decimal(0)
    return replace(share, request=_written(name, max(left, Decimal(0)), ROUND_FLOOR)) if wanted > left else share


def _agreed(share: Share) -> Share:
    """With a request that is not above the limit: whichever is not said gives way."""
    if not exceeds(share.request, share.limit):
        return share
    return (
        replace(share, limit=share.request)
        if not share.limit_said and share.request_said
        else replace(share, request=share.limit)
    )


def _broken(one: LimitRangeFact, share: Share) -> str:
    name = share.resource
    least, most, ratio = one.least.get(name, ""), one.most.get(name, ""), quantity(one.ratio.get(name, ""))
    if share.request and exceeds(least, share.request):
        return f"{name} of a container is at least {least}, and the proxy's request is {share.request}"
    if most and (exceeds(share.limit, most) or is_zero(share.limit)):
        return f"{name} of a container is at most {most}, and the proxy's limit is {share.limit}"
    request, limit = quantity(share.request), quantity(share.limit)
    if ratio and request and limit and limit > request * ratio:
        return f"the limit of {name} is at most {one.ratio[name]} times the request, {share.request}"
    return ""


def _broken_sum(one: LimitRangeFact, share: Share, running: Sequence[SetAside]) -> str:
    name = share.resource
    for which, ours in (("limits", share.limit), ("requests", share.request)):
        total = _sum(running, which, name) + (quantity(ours) or Decimal(0))
        most = quantity(one.most.get(name, ""))
        if most is not None and total > most:
            return (
                f"{which} of {name} of a pod are at most {one.most[name]}, and with the proxy's {ours or 'none'} they "
                f"are {_written(name, total)}"
            )
    return ""


def _sum(running: Sequence[SetAside], which: str, name: str) -> Decimal:
    found = (one.limits if which == "limits" else one.requests for one in running)
    return sum((quantity(values.get(name, "")) or Decimal(0) for values in found), Decimal(0))


def _written(name: str, amount: Decimal, rounding: str = ROUND_CEILING) -> str:
    """The amount as a quantity, rounded up unless said: thousandths for CPU, whole bytes else, or MiB."""
    if name == CPU:
        return f"{int((amount * 1000).to_integral_value(rounding))}m"
    whole, rest = divmod(int(amount.to_integral_value(rounding)), 1024 * 1024)
    return f"{whole}Mi" if whole and not rest else str(whole * 1024 * 1024 + rest)
