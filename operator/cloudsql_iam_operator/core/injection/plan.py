"""The decision about one pod, in the order that gives the most helpful answer first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloudsql_iam_operator.api.injection.access import INJECT, INSTANCES, ON_ERROR, USER, OnError, Way
from cloudsql_iam_operator.api.injection.annotation import Wishes
from cloudsql_iam_operator.api.injection.application import CONTAINERS
from cloudsql_iam_operator.api.injection.table import STATUS
from cloudsql_iam_operator.api.injection.wishes import parse_wishes, users_named
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.core.injection import marker
from cloudsql_iam_operator.core.injection.access import Access, access
from cloudsql_iam_operator.core.injection.application import containers, environment
from cloudsql_iam_operator.core.injection.application.variables import Group, groups
from cloudsql_iam_operator.core.injection.facts import Facts
from cloudsql_iam_operator.core.injection.manifest import parsed
from cloudsql_iam_operator.core.injection.marker import Marker
from cloudsql_iam_operator.core.injection.neighbours import meshes
from cloudsql_iam_operator.core.injection.neighbours.advice import conflict
from cloudsql_iam_operator.core.injection.neighbours.listening import undeclared
from cloudsql_iam_operator.core.injection.neighbours.recognition import other_proxies
from cloudsql_iam_operator.core.injection.outcome import Code, Denied, Injected, Outcome, Refusal, Unchanged
from cloudsql_iam_operator.core.injection.patch import Add, pointer
from cloudsql_iam_operator.core.injection.pod import Container, Frame, MalformedPod, Pod
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.injection.shelf import Shelf, kept
from cloudsql_iam_operator.core.injection.sidecar import assembly, volumes
from cloudsql_iam_operator.core.injection.sidecar.company import Company, company
from cloudsql_iam_operator.core.injection.sidecar.container import NAME, Proxy, container
from cloudsql_iam_operator.core.injection.sidecar.form import form_warnings
from cloudsql_iam_operator.core.injection.sidecar.situation import Situation

__all__ = ["MalformedPod", "plan"]

MIRROR = "kubernetes.io/config.mirror"
"""On pods that a kubelet made from a file: it compares their hash, so they must not be changed."""

MOST_NAMES, MOST_THINGS = 4, 64
"""Instances and users that a pod names, and things that are added to it, with which what followed from it is kept."""

_STATUS_PATH = pointer("metadata", "annotations", STATUS)
Containers = tuple[Container, ...]


@dataclass(frozen=True, slots=True)
class _Ready:
    """The proxy for a pod and what comes with it, whichever containers are to reach the database."""

    proxy: Proxy
    built: Mapping[str, Any]
    variables: tuple[Group, ...]
    always: Mapping[str, str]
    provisions: tuple[Add, ...]
    status: Add
    warnings: tuple[str, ...]


def plan(body: Mapping[str, Any], facts: Facts, settings: InjectionSettings, shelf: Shelf | None = None) -> Outcome:
    """What to do with the pod in `body`, which is left untouched. Planning the patched pod again changes nothing.

    With a shelf, parts of pods that were there before are not worked out again.

    Raises:
        MalformedPod: the body is no pod.
    """
    pod = parsed(body, shelf)
    outcome = kept(pod.frame, _outcome, (pod.init, pod.main, pod.ephemeral), facts, settings)
    if shelf is not None:
        shelf.tidy((pod.frame, *pod.containers, *pod.ephemeral) if _is_large(pod, outcome) else ())
    return outcome


def _is_large(pod: Pod, outcome: Outcome) -> bool:
    """Whether much more follows from the pod than it says itself: few bytes may ask for variables by the thousand."""
    annotations = pod.frame.annotations or {}
    names = sum(annotations.get(name, "").count(",") for name in (INSTANCES, USER))
    if names > MOST_NAMES or not isinstance(outcome, Injected):
        return names > MOST_NAMES
    return sum([len(each.value) if type(each.value) is list else 1 for each in outcome.operations]) > MOST_THINGS


def _outcome(
    frame: Frame, containers: tuple[Containers, Containers, Containers], facts: Facts, settings: InjectionSettings
) -> Outcome:
    pod, annotations = Pod(frame, *containers), frame.annotations or {}
    if MIRROR in annotations:
        return Unchanged(Code.MIRROR_POD)
    try:
        wishes = kept(frame, _wishes, facts.about.annotations)
        if wishes is None:
            return Unchanged(Code.OPTED_OUT if INJECT in annotations else Code.NO_ANNOTATIONS)
        return _decided(pod, kept(frame, Situation, wishes, kept(frame, _concerning, wishes, facts), settings))
    except InvalidObject as invalid:
        return Denied(422, Code.ANNOTATION, f"{_cannot(frame, facts)} {invalid}")


def _wishes(frame: Frame, namespace: Mapping[str, str]) -> Wishes | None:
    return parse_wishes(frame.annotations or {}, namespace)


def _concerning(_frame: Frame, wishes: Wishes, facts: Facts) -> Facts:
    """The facts without users that the pod does not name: news of the others are none for it."""
    names = users_named(wishes)
    return replace(facts, users=tuple(user for user in facts.users if user.name in names)) if names else facts


def _cannot(pod: Frame, facts: Facts) -> str:
    return f"cannot inject a proxy into pod {facts.namespace}/{pod.name}:"


def _decided(pod: Pod, on: Situation) -> Outcome:
    try:
        _refuse_unfit(pod, on)
        return _with_connector(pod, on) if on.wishes[INJECT].way is Way.CONNECTOR else _with_proxy(pod, on)
    except Refusal as refusal:
        denied = refusal.denied
        message = f"{_cannot(pod.frame, on.facts)} {denied.message}"
        on_error = on.wishes[ON_ERROR] or on.settings.on_error
        if denied.status == 403 and denied.code is not Code.WAIT and on_error is OnError.SKIP:
            return Unchanged(Code.SKIPPED, (f"{message}; the pod starts without it, as {ON_ERROR} says skip",))
        return Denied(denied.status, denied.code, message)


def _refuse_unfit(pod: Pod, on: Situation) -> None:
    if pod.windows and on.wishes[INJECT].way is Way.SIDECAR:
        raise Refusal(Code.POD_SHAPE, "it is a Windows pod, and the proxy's image is for Linux only")
    if pod.frame.host_network:
        raise Refusal(
            Code.POD_SHAPE,
            "it uses hostNetwork: the proxy would listen on the node, as the node's Google account, not the pod's; "
            "take hostNetwork off",
        )


def _with_connector(pod: Pod, on: Situation) -> Outcome:
    """Variables for a connector inside the application, and no proxy."""
    who = _access(on)
    values = groups(on.wishes, who.targets)
    fits = environment.fits(_chosen(pod, on), values)
    operations = environment.operations(fits, {})
    status = marker.text_without_proxy(who.targets, who.users(on.facts.namespace), _names(values))
    warnings = (*who.warnings, *containers.excluded_warnings(on.wishes[CONTAINERS], pod))
    if on.wishes[STATUS] == status and not operations:
        return Unchanged(Code.ALREADY_INJECTED, warnings)
    return Injected(
        (*operations, Add(_STATUS_PATH, status)), (*warnings, *environment.warnings(fits), *environment.shadowed(fits))
    )


def _access(on: Situation) -> Access:
    return kept(on.frame, access, on.wishes, on.facts, on.settings)


def _with_proxy(pod: Pod, on: Situation) -> Outcome:
    ours = any(c.name == NAME for c in (*pod.init, *pod.main, *pod.ephemeral))
    done = marker.read(on.wishes[STATUS]) if ours else None  # what an earlier injection of ours did to this very pod
    others = other_proxies(pod, "" if done is None else NAME)
    who = _access(on)
    if done is not None:
        return _completed(pod, on, who, done)
    standing = conflict(others, [target.connection for target in who.targets])
    if standing:
        return Unchanged(Code.OTHER_PROXY, (f"no proxy injected: {standing}",))
    if ours:
        raise Refusal(Code.POD_SHAPE, f"it has a container named {NAME} of its own: give that another name")
    beside = company(pod, undeclared(pod, others))
    return _injected(pod, on, kept(on.frame, _ready, on, who, beside))


def _chosen(pod: Pod, on: Situation) -> Containers:
    return containers.selected(on.wishes[CONTAINERS], pod, NAME)


def _names(values: tuple[Group, ...]) -> list[str]:
    return [name for group in values for name in group.values]


def _ready(_frame: Frame, on: Situation, who: Access, beside: Company) -> _Ready:
    proxy = assembly.proxy(on, who.targets, beside)
    values, built = groups(on.wishes, proxy.targets), container(proxy)
    status = marker.text(proxy, built, who.users(on.facts.namespace), _names(values))
    return _Ready(
        proxy=proxy,
        built=built,
        variables=values,
        always=assembly.quit_variables(proxy.ports.admin),
        provisions=tuple(assembly.provisions(on, proxy)),
        status=Add(_STATUS_PATH, status),
        warnings=(*who.warnings, *assembly.warnings(on, proxy, beside), *_leftovers(on)),
    )


def _injected(pod: Pod, on: Situation, ready: _Ready) -> Injected:
    chosen, proxy = _chosen(pod, on), ready.proxy
    volumes.refuse_occupied(chosen, proxy.targets)
    fits = environment.fits(chosen, ready.variables)
    # What goes into containers first: inserting the proxy moves the init containers that come after it.
    operations = (
        *environment.operations(fits, ready.always),
        *volumes.mount_operations(chosen, proxy.targets),
        *ready.provisions,
        *kept(pod.frame, assembly.operations, proxy, ready.built, assembly.place(pod, proxy.form)),
        ready.status,
    )
    warnings = (
        *ready.warnings,
        *form_warnings(proxy.form, pod, chosen),
        *containers.excluded_warnings(on.wishes[CONTAINERS], pod),
        *environment.warnings(fits),
        *environment.shadowed(fits),
        *meshes.mesh_warnings(pod),
    )
    return Injected(operations, warnings)


def _completed(pod: Pod, on: Situation, who: Access, done: Marker) -> Outcome:
    """Give variables and sockets to containers that came after the proxy."""
    _refuse_another(on, who, done)
    targets = done.with_ports(who.targets)
    values, chosen = groups(on.wishes, targets), _chosen(pod, on)
    operations = [
        *environment.operations(environment.fits(chosen, values), assembly.quit_variables(done.ports.admin)),
        *volumes.mount_operations(chosen, targets),
    ]
    stale: tuple[str, ...] = ()
    if marker.digest(container(assembly.again(on, targets, done.ports, company(pod, iter(()))))) != done.digest:
        stale = (f"container {NAME} was injected with other settings ({done.image}) and stays as it is",)
    if operations:
        return Injected(tuple(operations), (*who.warnings, *stale))
    return Unchanged(Code.ALREADY_INJECTED, stale)


def _refuse_another(on: Situation, who: Access, done: Marker) -> None:
    users = ",".join(f"{on.facts.namespace}/{login.user.name}" for login in who.logins)
    connections = {target.connection for target in who.targets}
    if (done.users, set(done.listening)) != (users, connections):
        raise Refusal(
            Code.POD_SHAPE,
            f"it carries a proxy for CloudSQLIAMUser {done.users} on {', '.join(done.listening)}, and asks for {users} "
            f"on {', '.join(sorted(connections))}: remove container {NAME} and the annotation {STATUS}",
        )


def _leftovers(on: Situation) -> Iterator[str]:
    if on.wishes[STATUS]:
        yield f"{STATUS} was there without the container and is written anew; take it out of the template"
