"""What the containers of a pod have to do with the proxy beside them."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from cloudsql_iam_operator.core.injection.pod import Container, Pod
from cloudsql_iam_operator.core.injection.shelf import kept
from cloudsql_iam_operator.core.injection.sidecar.container import NAME
from cloudsql_iam_operator.core.injection.sidecar.ports import Taken, taken_by

WEB_PROXY = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
"""Variables that say how the proxy gets to Google's APIs; the way to the instance is direct all the same."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """What one container has for itself: quantities by resource."""

    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Company:
    """`taken` are ports; `running` is what the containers that run beside the proxy have for themselves.

    `web_proxy` are the variables of the first container of the application that says how it gets out.
    """

    taken: Taken
    running: tuple[SetAside, ...]
    web_proxy: tuple[tuple[str, str], ...]


def company(pod: Pod, others: Iterator[tuple[str, Set[int]]]) -> Company:
    """What the pod's containers mean for the proxy; `others` (name, ports) are known to use ports."""
    running = (*(one for one in pod.init if one.native), *pod.main)
    return Company(
        taken_by(pod.containers, others),
        tuple(kept(one, _set_aside) for one in running if one.name != NAME),
        tuple(_web_proxy(pod.main)),
    )


def _set_aside(container: Container) -> SetAside:
    return SetAside(container.requests, container.limits)


def _web_proxy(application: tuple[Container, ...]) -> Iterator[tuple[str, str]]:
    for one in application:
        if one.name != NAME and (one.env.get(WEB_PROXY[0]) or one.env.get(WEB_PROXY[1])):
            found = ((name, one.env.get(name)) for name in WEB_PROXY)
            yield from ((name, value) for name, value in found if value and "$(" not in value)
            return
