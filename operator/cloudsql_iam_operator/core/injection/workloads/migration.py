"""Manifests with annotations in the place of proxies of the authors' own. Refused where something would be lost."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cloudsql_iam_operator.api.annotations import PREFIX
from cloudsql_iam_operator.api.injection.access import INJECT
from cloudsql_iam_operator.api.injection.application import CONTAINERS
from cloudsql_iam_operator.api.injection.values import Containers
from cloudsql_iam_operator.core.injection.application.containers import selected
from cloudsql_iam_operator.core.injection.facts import Facts
from cloudsql_iam_operator.core.injection.manifest import parsed, service_account_name
from cloudsql_iam_operator.core.injection.neighbours import shell
from cloudsql_iam_operator.core.injection.neighbours.places import Place, places
from cloudsql_iam_operator.core.injection.neighbours.proxies import OtherProxy, ProxyKind
from cloudsql_iam_operator.core.injection.neighbours.recognition import other_proxies
from cloudsql_iam_operator.core.injection.neighbours.translation import EVERYWHERE, Translation, shared
from cloudsql_iam_operator.core.injection.neighbours.variables import is_open
from cloudsql_iam_operator.core.injection.outcome import Denied
from cloudsql_iam_operator.core.injection.pod import Pod
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.injection.sidecar.container import NAME
from cloudsql_iam_operator.core.injection.workloads import exposure, leftovers, mentions
from cloudsql_iam_operator.core.injection.workloads.found import Found, found
from cloudsql_iam_operator.core.injection.workloads.logins import NoLogin, annotations, reached
from cloudsql_iam_operator.core.injection.workloads.rewritten import Rewritten, World, at, planned_now
from cloudsql_iam_operator.core.injection.workloads.sockets import NotShared, Shared, require_volumes, sharing, without

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
    world: World


def migrated(document: Any, namespace: str, world: World, settings: InjectionSettings) -> Rewritten:
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
        require_volumes(one.pod["spec"])
        facts = world.facts(one.namespace or namespace, service_account_name(one.pod))
        try:
            move = _Move(one, pod, _single(proxies), facts, world)
            _refuse_entangled(move)
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
    return proxy


def _refuse_entangled(move: _Move) -> None:
    """Make sure that nothing depends on the very container or process.

    Raises:
        Stays: something does.
    """
    proxy = move.proxy
    if shell.does_more(proxy.container.words):
        raise Stays(
            f"the shell line of container {proxy.container.name} does more than start the proxy: what else it does "
            "would be lost"
        )
    if proxy.starter:
        raise Stays(
            f"container {proxy.container.name} is started by {proxy.starter}: what else that does would be lost"
        )
    seeker, name = next(mentions.seekers(move.pod, proxy), ("", ""))
    if seeker:
        raise Stays(f"the command of container {seeker} speaks of {name}, whose process it may not find: take that out")


def _moved(move: _Move) -> dict[str, Any]:
    """The template without the proxy, and with the annotations."""
    where = places(move.proxy)
    try:
        logins = reached(where, move.pod, move.facts)
        sockets = sharing(move.one.pod["spec"], _raw(move), frozenset(each.socket for each in where if each.socket))
        common = _of_proxy(move, where, sockets)
        wanted = {**annotations(logins), **common, **_choice(move, sockets)}
    except (NoLogin, NotShared) as reason:
        raise Stays(f"container {move.proxy.container.name} stays: {reason}") from reason
    old = move.one.template
    template = {"metadata": {}, **copy.deepcopy(old)} if "metadata" not in old else dict(copy.deepcopy(old))
    template["metadata"] = _annotated(template["metadata"] or {}, wanted, move)
    _remove(template["spec"], move.proxy)
    without(template["spec"], sockets.volumes)
    return template


def _of_proxy(move: _Move, where: Sequence[Place], sockets: Shared) -> dict[str, str]:
    """Annotations for the proxy as a whole."""
    said = shared(move.proxy)
    _refuse_exposed(move, said)
    kept = leftovers.of(_raw(move), move.one.pod["spec"], move.proxy, sockets.volumes)
    hidden = ["port" for each in where if is_open(each.port)] + [
        "unix-socket" for each in where if is_open(each.socket)
    ]
    settled = {EVERYWHERE, leftovers.CREDENTIALS} if kept.credentials else {EVERYWHERE}
    lost = [*hidden, *(what for what in said.lost if what not in settled), *kept.lost]
    if lost:
        names = ", ".join(dict.fromkeys(lost))
        raise Stays(f"container {move.proxy.container.name} stays, as annotations have nothing for: {names}")
    called = mentions.annotations(move.one.pod["spec"], move.proxy)
    return {**dict(said.annotations), **dict(kept.annotations), **called}


def _refuse_exposed(move: _Move, said: Translation) -> None:
    if EVERYWHERE not in said.lost:
        return
    signs = list(exposure.seen(move.one.template, move.pod, move.proxy, move.world.services(move.facts.namespace)))
    if signs:
        what = f"container {move.proxy.container.name} stays: it listens on {EVERYWHERE}"
        raise Stays(f"{what}, the injected proxy on 127.0.0.1, and {'; '.join(signs)}")


def _choice(move: _Move, sockets: Shared) -> dict[str, str]:
    """The containers that had the sockets, where those are not all that would get them."""
    if not sockets.volumes:
        return {}
    everyone = [each.name for each in selected(Containers(every=True), move.pod, move.proxy.container.name)]
    return {} if everyone == list(sockets.containers) else {str(CONTAINERS): ",".join(sockets.containers)}


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
    if EVERYWHERE in shared(move.proxy).lost:
        yield f"it listened on {EVERYWHERE}, and now does on 127.0.0.1, for the pod's own containers alone"
    yield from outcome.warnings


def _put(place: dict[str, Any], template: Mapping[str, Any]) -> None:
    place.clear()
    place.update(template)
