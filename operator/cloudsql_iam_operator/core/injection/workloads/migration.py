"""Manifests with annotations in the place of proxies of the authors' own. Refused where something would be lost."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloudsql_iam_operator.api.annotations import PREFIX
from cloudsql_iam_operator.api.injection.access import INJECT, IP_TYPE, USER
from cloudsql_iam_operator.core.injection import identity
from cloudsql_iam_operator.core.injection.facts import Facts, UserFact
from cloudsql_iam_operator.core.injection.neighbours import shell
from cloudsql_iam_operator.core.injection.neighbours.proxies import OtherProxy, ProxyKind
from cloudsql_iam_operator.core.injection.neighbours.recognition import other_proxies
from cloudsql_iam_operator.core.injection.neighbours.translation import translated
from cloudsql_iam_operator.core.injection.outcome import Denied, Refusal
from cloudsql_iam_operator.core.injection.pod import Pod, parsed, service_account_name
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.injection.sidecar.container import NAME
from cloudsql_iam_operator.core.injection.workloads import leftovers
from cloudsql_iam_operator.core.injection.workloads.found import Found, found
from cloudsql_iam_operator.core.injection.workloads.rewritten import FactsOf, Rewritten, at, planned_now

_OURS_TO_MOVE = frozenset({ProxyKind.V1, ProxyKind.V2})


class Stays(Exception):
    """The proxy stays where it is; the text says why, and what would help."""


@dataclass(frozen=True, slots=True)
class _Move:
    """One proxy to be moved out of a pod template."""

    one: Found
    pod: Pod
    proxy: OtherProxy
    facts: Facts


def migrated(document: Any, namespace: str, facts_of: FactsOf, settings: InjectionSettings) -> Rewritten:
    """The document with annotations instead of each proxy v1 or v2; nothing is injected, that is for the webhook.

    The input is left untouched.

    Raises:
        MalformedPod: it holds something that is no object of its kind.
    """
    done = Rewritten(document)
    for one in found(document):
        pod = parsed(one.pod)
        proxies = [p for p in other_proxies(pod, "") if p.lasts and not _is_injected(p, pod)]
        if not any(p.kind is not ProxyKind.ALLOYDB for p in proxies):
            continue
        facts = facts_of(one.namespace or namespace, service_account_name(one.pod))
        try:
            move = _Move(one, pod, _single(proxies), facts)
            template = _moved(move)
            done.warnings += (f"{one}: {warning}" for warning in _checked(move, template, settings))
        except Stays as stays:
            done.refusals.append(f"{one}: {stays}")
            continue
        if done.body is document:
            done.body = copy.deepcopy(document)
        _put(at(done.body, one.steps), template)
    return done


def _is_injected(proxy: OtherProxy, pod: Pod) -> bool:
    return proxy.container.name == NAME and f"{PREFIX}status" in (pod.frame.annotations or {})


def _single(proxies: list[OtherProxy]) -> OtherProxy:
    named = [p for p in proxies if p.kind is not ProxyKind.ALLOYDB]
    names = ", ".join(dict.fromkeys(p.container.name for p in named))
    if len(named) > 1:
        raise Stays(
            f"it has several proxies ({names}), and only one is injected: leave those for other instances as they are"
        )
    proxy = named[0]
    if proxy.kind not in _OURS_TO_MOVE:
        raise Stays(f"container {names} is {proxy.kind}: take the workload out of its AuthProxyWorkload")
    if proxy.unseen:
        raise Stays(
            f"for which instance container {names} is cannot be seen: name it in its args as PROJECT:REGION:NAME"
        )
    if len(proxy.dialled) > 1:
        listed = ", ".join(one.name for one in proxy.dialled)
        raise Stays(
            f"container {names} serves several instances ({listed}): give each a CloudSQLIAMUser and write them by hand"
        )
    script = shell.script_of(shell.run_by(proxy.container.words))
    if script is not None and sum(1 for _ in shell.commands(script, {})) > 1:
        raise Stays(
            f"the shell line of container {names} does more than start the proxy: what else it does would be lost"
        )
    return proxy


def _moved(move: _Move) -> dict[str, Any]:
    """The template without the proxy, and with the annotations."""
    user = _user(move)
    if user.instance is None:
        raise Stays(f"CloudSQLInstance {user.instance_name} does not exist")
    raw = _raw(move)
    translation = translated(move.proxy, user.instance.connection)
    kept = leftovers.of(raw, move.one.pod["spec"], move.proxy)
    lost = [what for what in translation.lost if what != leftovers.CREDENTIALS or not kept.credentials] + list(
        kept.lost
    )
    if lost:
        raise Stays(f"container {move.proxy.container.name} stays, as annotations have nothing for: {', '.join(lost)}")
    wanted = {str(INJECT): user.name, **dict(translation.annotations), **dict(kept.annotations)}
    if wanted.get(IP_TYPE) == user.instance.ip_type.lower():
        del wanted[IP_TYPE]
    old = move.one.template
    template = {"metadata": {}, **copy.deepcopy(old)} if "metadata" not in old else dict(copy.deepcopy(old))
    template["metadata"] = _annotated(template["metadata"] or {}, wanted, move)
    _remove(template["spec"], move.proxy)
    return template


def _user(move: _Move) -> UserFact:
    """The CloudSQLIAMUser on the proxy's instance that the pod is to log in as."""
    connection, facts = move.proxy.dialled[0].name, move.facts
    annotations = move.pod.frame.annotations or {}
    named = annotations.get(USER) or annotations.get(INJECT, "")
    named = "" if named.strip().lower() in ("true", "yes", "on") else named.strip()
    there = tuple(u for u in facts.users if u.instance is not None and u.instance.connection == connection)
    if not there:
        raise Stays(f"namespace {facts.namespace} has no CloudSQLIAMUser on {connection}: create one, then migrate")
    try:
        account = identity.account_of(move.pod.frame.service_account, facts)
        return identity.user_of(named, account, replace(facts, users=there))
    except Refusal as refusal:
        raise Stays(refusal.denied.message) from refusal


def _annotated(metadata: Mapping[str, Any], wanted: Mapping[str, str], move: _Move) -> dict[str, Any]:
    existing = dict(metadata.get("annotations") or {})
    for name, value in wanted.items():
        said = existing.get(name, value)
        if said != value and name != INJECT:
            container = move.proxy.container.name
            raise Stays(f"{name} is {said!r}, and container {container} has {value!r}: make them the same")
    return {**metadata, "annotations": {**wanted, **existing}}


def _remove(spec: dict[str, Any], proxy: OtherProxy) -> None:
    place, index = proxy.container.place, proxy.container.index
    spec[place] = [c for number, c in enumerate(spec[place]) if number != index]
    if not spec[place]:
        del spec[place]
    if not spec.get("containers"):
        raise Stays(f"the pod has no container beside {proxy.container.name}")


def _raw(move: _Move) -> Mapping[str, Any]:
    container = move.proxy.container
    raw: Mapping[str, Any] = move.one.pod["spec"][container.place][container.index]
    return raw


def _checked(move: _Move, template: Mapping[str, Any], settings: InjectionSettings) -> Iterator[str]:
    """What injection will say to the pod after it; it must not be refused then."""
    outcome = planned_now(replace(move.one, template=template), move.facts, settings)
    if isinstance(outcome, Denied):
        raise Stays(f"with annotations the pod would be refused: {outcome.message.partition(': ')[2]}")
    yield f"container {move.proxy.container.name} became annotations"
    yield from outcome.warnings


def _put(place: dict[str, Any], template: Mapping[str, Any]) -> None:
    place.clear()
    place.update(template)
