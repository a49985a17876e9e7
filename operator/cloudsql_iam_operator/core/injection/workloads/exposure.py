"""Who reaches a proxy that listens on all addresses of its pod, where the injected one listens on 127.0.0.1 alone."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cloudsql_iam_operator.core.injection.facts import ServiceFact
from cloudsql_iam_operator.core.injection.neighbours.places import places
from cloudsql_iam_operator.core.injection.neighbours.proxies import OtherProxy
from cloudsql_iam_operator.core.injection.pod import INIT, MAIN, Pod

_ADDRESSES = ("status.podIP", "status.podIPs")
"""Fields by which a container is told the address of its pod."""


def seen(template: Mapping[str, Any], pod: Pod, proxy: OtherProxy, services: Iterable[ServiceFact]) -> Iterator[str]:
    """Signs that somebody comes to the proxy at the pod's address; none where only 127.0.0.1 is used."""
    spec, ports = template["spec"], {int(each.port) for each in places(proxy) if each.port.isdecimal()}
    raw = spec[proxy.container.place][proxy.container.index]
    declared = {number: one.get("name") for number, one in _declared(raw) if number in ports}
    targets = {str(each) for each in (*ports, *declared.values())}
    labels = _at(template, "metadata", "labels")
    yield from (
        f"Service {each.name} leads to it" for each in services if _chooses(each, labels) and targets & each.targets
    )
    if declared:
        numbers = ", ".join(map(str, sorted(declared)))
        yield f"its ports declare {numbers}: take that out where nobody calls it from elsewhere"
    for other in pod.containers:
        if other is not proxy.container and other.ports & ports:
            yield f"a port, probe or hook of container {other.name} is on the same"
    for container in (each for place in (INIT, MAIN) for each in spec.get(place) or () if each is not raw):
        if any(_at(one, "valueFrom", "fieldRef", "fieldPath") in _ADDRESSES for one in container.get("env") or ()):
            yield f"container {container['name']} knows the pod's address: let the proxy listen on 127.0.0.1 first"


def _chooses(service: ServiceFact, labels: Any) -> bool:
    if not service.selector or not isinstance(labels, dict):
        return False
    return all(labels.get(name) == value for name, value in service.selector.items())


def _declared(raw: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for one in raw.get("ports") or ():
        number = _at(one, "containerPort")
        if isinstance(number, int):
            yield number, one


def _at(value: Any, *steps: str) -> Any:
    """What the steps lead to; None when they lead nowhere."""
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value
