"""The decision about one pod, in the order that gives the most helpful answer first."""

from collections.abc import Iterator, Mapping
from typing import Any

from cloudsql_iam_operator.api.injection.access import INJECT, ON_ERROR, OnError, Way
from cloudsql_iam_operator.api.injection.application import CONTAINERS
from cloudsql_iam_operator.api.injection.table import STATUS
from cloudsql_iam_operator.api.injection.wishes import parse_wishes
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.core.injection import marker
from cloudsql_iam_operator.core.injection.access import Access, access
from cloudsql_iam_operator.core.injection.application import containers, environment
from cloudsql_iam_operator.core.injection.application.variables import Group, groups
from cloudsql_iam_operator.core.injection.facts import Facts
from cloudsql_iam_operator.core.injection.marker import Marker
from cloudsql_iam_operator.core.injection.neighbours import meshes
from cloudsql_iam_operator.core.injection.neighbours.advice import conflict
from cloudsql_iam_operator.core.injection.neighbours.listening import undeclared
from cloudsql_iam_operator.core.injection.neighbours.recognition import other_proxies
from cloudsql_iam_operator.core.injection.outcome import Code, Denied, Injected, Outcome, Refusal, Unchanged
from cloudsql_iam_operator.core.injection.patch import Add, pointer
from cloudsql_iam_operator.core.injection.pod import Container, MalformedPod, Pod, parsed
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.injection.sidecar import assembly, volumes
from cloudsql_iam_operator.core.injection.sidecar.container import NAME, Proxy, container
from cloudsql_iam_operator.core.injection.sidecar.situation import Situation

__all__ = ["MalformedPod", "plan"]

MIRROR = "kubernetes.io/config.mirror"
"""On pods that a kubelet made from a file: it compares their hash, so they must not be changed."""


def plan(body: Mapping[str, Any], facts: Facts, settings: InjectionSettings) -> Outcome:
    """What to do with the pod in `body`, which is left untouched. Planning the patched pod again changes nothing.

    Raises:
        MalformedPod: the body is no pod.
    """
    pod = parsed(body)
    annotations = pod.annotations or {}
    if MIRROR in annotations:
        return Unchanged(Code.MIRROR_POD)
    try:
        wishes = parse_wishes(annotations, facts.about.annotations)
        if wishes is None:
            return Unchanged(Code.OPTED_OUT if INJECT in annotations else Code.NO_ANNOTATIONS)
        return _decided(Situation(pod, wishes, facts, settings))
    except InvalidObject as invalid:
        return Denied(422, Code.ANNOTATION, f"{_cannot(pod, facts)} {invalid}")


def _cannot(pod: Pod, facts: Facts) -> str:
    return f"cannot inject a proxy into pod {facts.namespace}/{pod.name}:"


def _decided(case: Situation) -> Outcome:
    try:
        _refuse_unfit(case)
        return _with_connector(case) if case.wishes[INJECT].way is Way.CONNECTOR else _with_proxy(case)
    except Refusal as refusal:
        denied = refusal.denied
        message = f"{_cannot(case.pod, case.facts)} {denied.message}"
        on_error = case.wishes[ON_ERROR] or case.settings.on_error
        if denied.status == 403 and denied.code is not Code.WAIT and on_error is OnError.SKIP:
            return Unchanged(Code.SKIPPED, (f"{message}; the pod starts without it, as {ON_ERROR} says skip",))
        return Denied(denied.status, denied.code, message)


def _refuse_unfit(case: Situation) -> None:
    if case.pod.windows and case.wishes[INJECT].way is Way.SIDECAR:
        raise Refusal(Code.POD_SHAPE, "it is a Windows pod, and the proxy's image is for Linux only")
    if case.pod.host_network:
        raise Refusal(
            Code.POD_SHAPE,
            "it uses hostNetwork: the proxy would listen on the node, as the node's Google account, not the pod's; "
            "take hostNetwork off",
        )


def _with_connector(case: Situation) -> Outcome:
    """Variables for a connector inside the application, and no proxy."""
    who = access(case.pod, case.wishes, case.facts, case.settings)
    values = groups(case.wishes, who.targets)
    fits = environment.fits(_chosen(case), values)
    operations = environment.operations(fits, {})
    status = marker.text_without_proxy(who.targets, who.users(case.facts.namespace), _names(values))
    warnings = (*who.warnings, *containers.excluded_warnings(case.wishes[CONTAINERS], case.pod))
    if case.wishes[STATUS] == status and not operations:
        return Unchanged(Code.ALREADY_INJECTED, warnings)
    return Injected(
        (*operations, Add(pointer("metadata", "annotations", STATUS), status)),
        (*warnings, *environment.warnings(fits), *environment.shadowed(fits)),
    )


def _with_proxy(case: Situation) -> Outcome:
    done = _earlier(case)
    others = other_proxies(case.pod, "" if done is None else NAME)
    who = access(case.pod, case.wishes, case.facts, case.settings)
    if done is not None:
        return _completed(case, who, done)
    standing = conflict(others, [target.connection for target in who.targets])
    if standing:
        return Unchanged(Code.OTHER_PROXY, (f"no proxy injected: {standing}",))
    if _has_our_name(case.pod):
        raise Refusal(Code.POD_SHAPE, f"it has a container named {NAME} of its own: give that another name")
    return _injected(case, who, assembly.proxy(case, who.targets, undeclared(case.pod, others)))


def _earlier(case: Situation) -> Marker | None:
    """What an earlier injection of ours did to this very pod; None for a pod that carries no proxy of ours."""
    return marker.read(case.wishes[STATUS]) if _has_our_name(case.pod) else None


def _has_our_name(pod: Pod) -> bool:
    return any(c.name == NAME for c in (*pod.containers, *pod.ephemeral))


def _chosen(case: Situation) -> tuple[Container, ...]:
    return containers.selected(case.wishes[CONTAINERS], case.pod, NAME)


def _names(values: tuple[Group, ...]) -> list[str]:
    return [name for group in values for name in group.values]


def _injected(case: Situation, who: Access, proxy: Proxy) -> Injected:
    pod, values, chosen = case.pod, groups(case.wishes, proxy.targets), _chosen(case)
    volumes.refuse_occupied(chosen, proxy.targets)
    fits, built = environment.fits(chosen, values), container(proxy)
    status = marker.text(proxy, built, who.users(case.facts.namespace), _names(values))
    # What goes into containers first: inserting the proxy moves the init containers that come after it.
    operations = [
        *environment.operations(fits, assembly.quit_variables(proxy.ports.admin)),
        *volumes.mount_operations(chosen, proxy.targets),
        *assembly.operations(case, proxy, built, meshes.place_for_proxy(pod)),
        Add(pointer("metadata", "annotations", STATUS), status),
    ]
    warnings = (
        *who.warnings,
        *assembly.warnings(case, proxy, frozenset(c.name for c in chosen)),
        *_leftovers(case),
        *containers.excluded_warnings(case.wishes[CONTAINERS], pod),
        *environment.warnings(fits),
        *environment.shadowed(fits),
        *meshes.mesh_warnings(pod),
    )
    return Injected(tuple(operations), warnings)


def _completed(case: Situation, who: Access, done: Marker) -> Outcome:
    """Give variables and sockets to containers that came after the proxy."""
    _refuse_another(case, who, done)
    targets = done.with_ports(who.targets)
    values, chosen = groups(case.wishes, targets), _chosen(case)
    operations = [
        *environment.operations(environment.fits(chosen, values), assembly.quit_variables(done.ports.admin)),
        *volumes.mount_operations(chosen, targets),
    ]
    stale: tuple[str, ...] = ()
    if marker.digest(container(assembly.again(case, targets, done.ports))) != done.digest:
        stale = (f"container {NAME} was injected with other settings ({done.image}) and stays as it is",)
    if operations:
        return Injected(tuple(operations), (*who.warnings, *stale))
    return Unchanged(Code.ALREADY_INJECTED, stale)


def _refuse_another(case: Situation, who: Access, done: Marker) -> None:
    users = ",".join(f"{case.facts.namespace}/{login.user.name}" for login in who.logins)
    connections = {target.connection for target in who.targets}
    if (done.users, set(done.listening)) != (users, connections):
        raise Refusal(
            Code.POD_SHAPE,
            f"it carries a proxy for CloudSQLIAMUser {done.users} on {', '.join(done.listening)}, and asks for {users} "
            f"on {', '.join(sorted(connections))}: remove container {NAME} and the annotation {STATUS}",
        )


def _leftovers(case: Situation) -> Iterator[str]:
    if case.wishes[STATUS]:
        yield f"{STATUS} was there without the container and is written anew; take it out of the template"
