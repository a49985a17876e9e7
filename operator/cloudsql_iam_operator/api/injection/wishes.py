"""What a pod asks for: its annotations, checked one by one and together, over the defaults of its Namespace."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from cloudsql_iam_operator.api.annotations import PREFIX
from cloudsql_iam_operator.api.injection.access import IMPERSONATE, IMPERSONATE_DELEGATES, INJECT, USER, Way
from cloudsql_iam_operator.api.injection.annotation import Annotation, Wishes
from cloudsql_iam_operator.api.injection.application import ENV, ENV_PREFIX, PORT, UNIX_SOCKET, Environment
from cloudsql_iam_operator.api.injection.quantities import exceeds
from cloudsql_iam_operator.api.injection.sidecar import CPU_LIMIT, CPU_REQUEST, MEMORY_LIMIT, MEMORY_REQUEST
from cloudsql_iam_operator.api.injection.table import OF_THE_PROXY, READ, STATUS
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.api.parsing.texts import shown

NOTHING: Mapping[str, str] = {}

_PAIRS = ((CPU_REQUEST, CPU_LIMIT), (MEMORY_REQUEST, MEMORY_LIMIT))
"""What is set aside, and what is the most of it."""


def parse_wishes(annotations: Mapping[str, str] | None, namespace: Mapping[str, str] = NOTHING) -> Wishes | None:
    """What a pod's annotations ask for; None when they do not ask for injection, or ask for none.

    Annotations of other domains are not read; all of ours are, with `inject: "false"` too. `namespace` are those of
    the pod's Namespace: its defaults for what the pod does not say.

    Raises:
        InvalidObject: `field` is the full name of an annotation that does not exist, or whose value cannot be meant.
    """
    ours = {name: value for name, value in (annotations or {}).items() if name.startswith(PREFIX)}
    for name in sorted(ours):
        _refuse_unknown(name)
    if INJECT not in ours:
        _refuse_without_inject(ours)
        return None
    pods = {name: _parsed(READ.get(name, STATUS), value) for name, value in sorted(ours.items())}
    if pods[INJECT].way is Way.NONE:
        _check(Wishes(pods), pods)
        return None
    wishes = _over(namespace, pods)
    _check(wishes, pods)
    return wishes


def users_named(wishes: Wishes) -> tuple[str, ...]:
    """The CloudSQLIAMUsers that a pod names, in its order; none when they are to be found."""
    named = wishes[INJECT].user
    return (named,) if named else wishes[USER]


def nearest(name: str, known: Mapping[str, object]) -> str:
    """The known annotation whose name is most like this one; "" when none is."""
    short = {full.removeprefix(PREFIX): full for full in known}
    near = get_close_matches(name.removeprefix(PREFIX)[:64].lower(), short, n=1)
    return short[near[0]] if near else ""


def _refuse_unknown(name: str) -> None:
    if name in READ or name == STATUS:
        return
    near = nearest(name, READ)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(sorted(READ))}"
    raise InvalidObject(name, f"no such annotation; {hint}")


def _refuse_without_inject(ours: Mapping[str, str]) -> None:
    wishes = sorted(set(ours) - {STATUS})
    if wishes:
        raise InvalidObject(wishes[0], f"does nothing without {INJECT}; set that to the name of a CloudSQLIAMUser")


def _parsed(annotation: Annotation[Any], value: str) -> Any:
    # a block of text in a manifest ends with a line feed that nobody means
    return annotation.parse(annotation, value.strip())


def _over(namespace: Mapping[str, str], pods: Mapping[str, Any]) -> Wishes:
    """What the pod says, over the defaults that its Namespace sets; one that cannot be read matters where it counts."""
    ours = sorted(name for name in namespace if name.startswith(PREFIX))
    usable = [name for name in ours if name in READ and READ[name].namespaced]
    unused = {*pods} | ({*OF_THE_PROXY, ENV} if pods[INJECT].way is Way.CONNECTOR else set())
    defaults: dict[str, Any] = {}
    unread: list[str] = []
    for name in usable:
        try:
            defaults[name] = _parsed(READ[name], namespace[name])
        except InvalidObject as invalid:
            if name not in unused:
                raise InvalidObject(f"{invalid.field} of the Namespace", invalid.problem) from invalid
            unread.append(str(invalid))
    return Wishes({**_fitting(defaults, pods), **pods}, tuple(sorted({*ours} - {*usable})), tuple(unread))


def _fitting(defaults: Mapping[str, Any], pods: Mapping[str, Any]) -> Mapping[str, Any]:
    """The defaults without those that the pod's own request or limit leaves no room for."""
    every = {**defaults, **pods}
    crowded = [pair for pair in _PAIRS if exceeds(every.get(pair[0], ""), every.get(pair[1], "")) and {*pair} & {*pods}]
    return {name: value for name, value in defaults.items() if not any(name in pair for pair in crowded)}


def _check(wishes: Wishes, pods: Mapping[str, Any]) -> None:
    """What values mean for one another."""
    _check_user(wishes)
    for request, limit in _PAIRS:
        if exceeds(wishes[request], wishes[limit]):
            said = str(request) if {request, limit} & {*pods} else f"{request} of the Namespace"
            raise InvalidObject(said, f"is {shown(wishes[request])}, more than the limit {shown(wishes[limit])}")
    if wishes[IMPERSONATE_DELEGATES] and not wishes[IMPERSONATE]:
        raise InvalidObject(IMPERSONATE_DELEGATES, f"does nothing without {IMPERSONATE}")
    if PORT in wishes and wishes[UNIX_SOCKET]:
        raise InvalidObject(PORT, f"does nothing beside {UNIX_SOCKET}; take one of them off")
    if wishes[INJECT].way is Way.CONNECTOR:
        _check_connector(pods)
    elif ENV_PREFIX in wishes and ENV in pods and wishes[ENV] is not Environment.PREFIX:
        raise InvalidObject(ENV_PREFIX, f"does nothing with {ENV}: {wishes[ENV]}; take it off, or set that to prefix")


def _check_user(wishes: Wishes) -> None:
    named, listed = wishes[INJECT].user, wishes[USER]
    if named and listed not in ((), (named,)):
        raise InvalidObject(
            USER, f"names {', '.join(listed)[:80]}, but {INJECT} names {named}; set {INJECT} to true, or drop one"
        )


def _check_connector(pods: Mapping[str, Any]) -> None:
    useless = sorted(name for name in pods if name in {*OF_THE_PROXY, PORT, UNIX_SOCKET, ENV})
    if useless:
        raise InvalidObject(useless[0], f"is about the proxy, and with {INJECT}: env there is none; take it off")
