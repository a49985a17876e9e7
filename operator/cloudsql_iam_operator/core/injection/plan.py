"""The decision about one pod, in the order that gives the most helpful answer first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator.api.injection.access import DATABASE, INJECT
from cloudsql_iam_operator.api.injection.annotation import Wishes
from cloudsql_iam_operator.api.injection.application import CONTAINERS, PORT
from cloudsql_iam_operator.api.injection.sidecar import IMAGE, RESOURCES
from cloudsql_iam_operator.api.injection.table import STATUS
from cloudsql_iam_operator.api.injection.wishes import parse_wishes, users_named
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.core.injection import identity, marker, neighbours
from cloudsql_iam_operator.core.injection.application import environment
from cloudsql_iam_operator.core.injection.application.environment import Target
from cloudsql_iam_operator.core.injection.facts import Facts, UserFact
from cloudsql_iam_operator.core.injection.marker import Marker
from cloudsql_iam_operator.core.injection.outcome import Code, Denied, Injected, Outcome, Refusal, Unchanged
from cloudsql_iam_operator.core.injection.patch import Add, inserted, pointer
from cloudsql_iam_operator.core.injection.pod import INIT, MalformedPod, Pod, parsed
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.injection.sidecar.container import NAME, Proxy, Resources, container
from cloudsql_iam_operator.core.injection.sidecar.image import image_for
from cloudsql_iam_operator.core.injection.sidecar.ports import DATABASE_PORT, Ports, chosen, taken_by

__all__ = ["MalformedPod", "plan"]

MIRROR = "kubernetes.io/config.mirror"
"""On pods that a kubelet made from a file: it compares their hash, so they must not be changed."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One pod that asks for a proxy, and what is known about it. `done` is what an earlier injection did to it."""

    pod: Pod
    wishes: Wishes
    facts: Facts
    settings: InjectionSettings
    done: Marker | None


@dataclass(frozen=True, slots=True)
class _Access:
    """Who logs in where, checked."""

    user: UserFact
    proxy: Proxy
    target: Target
    warnings: tuple[str, ...]


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
        wishes = parse_wishes(annotations)
        if wishes is None:
            return Unchanged(Code.OPTED_OUT if INJECT in annotations else Code.NO_ANNOTATIONS)
        _refuse_unfit(pod)
        return _planned(_Case(pod, wishes, facts, settings, _earlier(pod, wishes)))
    except InvalidObject as invalid:
        return Denied(422, Code.ANNOTATION, f"{_cannot(pod, facts)} {invalid}")
    except Refusal as refusal:
        denied = refusal.denied
        return Denied(denied.status, denied.code, f"{_cannot(pod, facts)} {denied.message}")


def _cannot(pod: Pod, facts: Facts) -> str:
    return f"cannot inject a proxy into pod {facts.namespace}/{pod.name}:"


def _refuse_unfit(pod: Pod) -> None:
    if pod.windows:
        raise Refusal(Code.POD_SHAPE, "it is a Windows pod, and the proxy's image is for Linux only")
    if pod.host_network:
        raise Refusal(
            Code.POD_SHAPE,
            "it uses hostNetwork: the proxy would listen on the node, as the node's Google account, not the pod's; "
            "take hostNetwork off",
        )


def _earlier(pod: Pod, wishes: Wishes) -> Marker | None:
    """What an earlier injection of ours did to this very pod; None for a pod that carries no proxy of ours."""
    if all(c.name != NAME for c in (*pod.containers, *pod.ephemeral)):
        return None
    done = marker.read(wishes[STATUS])
    if done is None:
        raise Refusal(Code.POD_SHAPE, f"it has a container named {NAME} of its own: give that another name")
    return done


def _planned(case: _Case) -> Outcome:
    others = tuple(neighbours.other_proxies(case.pod, NAME))
    stranger = next((other for other in others if other.kind is not neighbours.ProxyKind.V2), None)
    if stranger is not None:
        text = f"container {stranger.container.name} is {stranger.kind}; remove it to have one injected"
        return Unchanged(Code.OTHER_PROXY, (f"no proxy injected: {text}",))
    access = _access(case, others)
    if case.done is not None:
        return _completed(case, access, case.done)
    connection = access.proxy.instance.connection
    twin = next((other.container.name for other in others if other.serves(connection)), None)
    if twin is not None:
        text = f"container {twin} is a proxy for {connection} already; remove it or {INJECT}"
        return Unchanged(Code.OTHER_PROXY, (f"no proxy injected: {text}",))
    return _injected(case, access)


def _access(case: _Case, others: tuple[neighbours.OtherProxy, ...]) -> _Access:
    wishes, settings = case.wishes, case.settings
    account = identity.account_of(case.pod.service_account, case.facts)
    user = identity.user_of(next(iter(users_named(wishes)), ""), account, case.facts)
    instance = identity.instance_of(user)
    warnings = (
        *identity.identity_warnings(user, account, settings.identity),
        *identity.login_warnings(user),
        *identity.name_warnings(user, account),
    )
    ports = case.done.ports if case.done is not None else _ports(case, others)
    proxy = Proxy(image_for(wishes[IMAGE], settings), instance, ports, Resources(*(wishes[each] for each in RESOURCES)))
    database = wishes[DATABASE] or (user.databases[0] if len(user.databases) == 1 else "")
    target = Target(ports.database, identity.username_of(user, account), database)
    return _Access(user, proxy, target, warnings)


def _ports(case: _Case, others: tuple[neighbours.OtherProxy, ...]) -> Ports:
    foreign = ((other.container.name, other.ports()) for other in others)
    return chosen(case.wishes[PORT], taken_by(case.pod.containers, foreign))


def _injected(case: _Case, access: _Access) -> Injected:
    pod, values = case.pod, environment.variables(access.target)
    containers = environment.selected(case.wishes[CONTAINERS], pod)
    status = marker.text(access.proxy, case.facts.namespace, access.user, values)
    first = neighbours.place_for_proxy(pod)
    # Variables first: inserting the proxy moves the init containers that come after it.
    operations = [
        *environment.operations(containers, values),
        *inserted(("spec", INIT), first, [container(access.proxy)], [c.name for c in pod.init]),
        Add(pointer("metadata", "annotations", STATUS), status),
    ]
    warnings = (
        *access.warnings,
        *_choices(case, access),
        *environment.warnings(containers, values),
        *environment.shadowed(containers),
        *neighbours.mesh_warnings(pod),
    )
    return Injected(tuple(operations), warnings)


def _completed(case: _Case, access: _Access, done: Marker) -> Outcome:
    """Give the variables to containers that came after the proxy."""
    wanted = (f"{case.facts.namespace}/{access.user.name}", access.proxy.instance.connection)
    if (done.user, done.connection) != wanted:
        raise Refusal(
            Code.POD_SHAPE,
            f"it carries a proxy for CloudSQLIAMUser {done.user} on {done.connection}, and asks for {wanted[0]} on "
            f"{wanted[1]}: remove container {NAME} and the annotation {STATUS}",
        )
    values = environment.variables(access.target)
    operations = environment.operations(environment.selected(case.wishes[CONTAINERS], case.pod), values)
    stale: tuple[str, ...] = ()
    if marker.digest(access.proxy) != done.digest:
        stale = (f"container {NAME} was injected with other settings ({done.image}) and stays as it is",)
    if operations:
        return Injected(tuple(operations), (*access.warnings, *stale))
    return Unchanged(Code.ALREADY_INJECTED, stale)


def _choices(case: _Case, access: _Access) -> Iterator[str]:
    """What was decided for the pod that its author may not expect."""
    port = access.proxy.ports.database
    if case.wishes[PORT] is None and port != DATABASE_PORT:
        yield f"port {DATABASE_PORT} is taken in the pod: the proxy listens on {port}, and PGPORT says so"
    if not access.target.database:
        yield _no_database(access.user)
    if case.wishes[STATUS]:
        yield f"{STATUS} was there without the container and is written anew; take it out of the template"
    if case.pod.resources:
        yield "spec.resources of the pod must leave room for the proxy"


def _no_database(user: UserFact) -> str:
    opened = ", ".join(user.databases)
    text = f"is granted several databases ({opened})" if opened else "is granted no database yet"
    return f"PGDATABASE is not set, as CloudSQLIAMUser {user.name} {text}: set {DATABASE}"
