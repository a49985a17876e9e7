"""Annotations for the instances of a proxy that is moved: as whom each is reached, and where it is listened for."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cloudsql_iam_operator.api.injection.access import AUTO_IAM_AUTHN, INJECT, INSTANCES, IP_TYPE, USER
from cloudsql_iam_operator.api.injection.application import ENV, PORT, UNIX_SOCKET, Environment
from cloudsql_iam_operator.core.injection import identity
from cloudsql_iam_operator.core.injection.facts import Facts, UserFact
from cloudsql_iam_operator.core.injection.neighbours.places import Place
from cloudsql_iam_operator.core.injection.neighbours.translation import DEFAULT_PORT
from cloudsql_iam_operator.core.injection.outcome import Refusal
from cloudsql_iam_operator.core.injection.pod import Pod
from cloudsql_iam_operator.core.injection.targets import OF_OTHERS


class NoLogin(Exception):
    """An instance cannot be reached by annotations; the text says why, and what would help."""


@dataclass(frozen=True, slots=True)
class Reached:
    """One instance, and the CloudSQLIAMUser that the pod is on it; None where it goes on with a password."""

    place: Place
    user: UserFact | None


def reached(places: Sequence[Place], pod: Pod, facts: Facts) -> tuple[Reached, ...]:
    """As whom the pod reaches each of the instances.

    Raises:
        NoLogin: for one there is nobody, or nobody that can be told.
    """
    named = _named(pod.frame.annotations or {})
    return tuple(Reached(place, _user(place, named, pod, facts)) for place in places)


def annotations(found: Sequence[Reached]) -> dict[str, str]:
    """What to write for the instances, beside what is for the proxy as a whole.

    Raises:
        NoLogin: they cannot be together.
    """
    users = [one.user.name for one in found if one.user is not None]
    said: dict[str, str] = {str(INJECT): users[0] if len(users) == 1 else "true"}
    if len(users) > 1:
        said[str(USER)] = ",".join(users)
    if any(one.user is None and one.place.port.isdecimal() and int(one.place.port) in OF_OTHERS for one in found):
        said[str(ENV)] = str(Environment.NONE)  # it was told by no variable before
    said |= _login(found)
    alone = len(found) == len(users) == 1
    return said | (dict(_of_one(found[0])) if alone else {str(INSTANCES): _listed(found)})


def _named(written: Mapping[str, str]) -> frozenset[str]:
    return frozenset(name.strip() for name in (written.get(USER) or written.get(INJECT, "")).split(","))


def _user(place: Place, named: frozenset[str], pod: Pod, facts: Facts) -> UserFact | None:
    there = tuple(u for u in facts.users if u.instance is not None and u.instance.connection == place.name)
    if not there and not place.iam:
        return None
    if not there:
        raise NoLogin(f"namespace {facts.namespace} has no CloudSQLIAMUser on {place.name}: create one, then migrate")
    wanted = next((user.name for user in there if user.name in named), "")
    try:
        account = identity.account_of(pod.frame.service_account, facts)
        return identity.user_of(wanted, account, replace(facts, users=there))
    except Refusal as refusal:
        raise NoLogin(refusal.denied.message) from refusal


def _login(found: Sequence[Reached]) -> Mapping[str, str]:
    """Whether the proxy logs in, where that is not what happens anyway: for users it does, else it does not."""
    if all(one.place.iam == (one.user is not None) for one in found):
        return {}
    if any(one.place.iam for one in found):
        names = ", ".join(one.place.name for one in found if not one.place.iam)
        raise NoLogin(f"it logs in by IAM, but not to {names}: annotations say one for all users")
    return {str(AUTO_IAM_AUTHN): "false"}


def _of_one(one: Reached) -> Iterator[tuple[str, str]]:
    place = one.place
    if place.socket:
        yield str(UNIX_SOCKET), place.socket
    elif place.port != DEFAULT_PORT:
        yield str(PORT), place.port
    if _differs(one):
        yield str(IP_TYPE), place.address


def _listed(found: Sequence[Reached]) -> str:
    for one in found:
        if one.place.usual and one.user is None:
            raise NoLogin(f"its port for {one.place.name} depends on the engine: write it down as ?port=")
    return json.dumps([dict(_fields(one)) for one in found])


def _fields(one: Reached) -> Iterator[tuple[str, Any]]:
    place = one.place
    yield "name", place.name
    if place.socket:
        yield "socket", place.socket
    else:
        yield "port", int(place.port)
    if _differs(one):
        yield "ipType", place.address


def _differs(one: Reached) -> bool:
    """Whether the kind of address is another than that of the CloudSQLInstance, or of an instance without one."""
    instance = one.user.instance if one.user is not None else None
    return bool(one.place.address) and one.place.address != (instance.ip_type.lower() if instance else "public")
