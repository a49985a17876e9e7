"""What a pod's other containers say of its proxy: they call its health checks, or look for its process."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cloudsql_iam_operator.api.injection.sidecar import HTTP_PORT
from cloudsql_iam_operator.core.injection.neighbours.proxies import OtherProxy
from cloudsql_iam_operator.core.injection.neighbours.recognition import PROGRAMS, recognised
from cloudsql_iam_operator.core.injection.pod import INIT, MAIN, Pod


def annotations(spec: Mapping[str, Any], proxy: OtherProxy) -> dict[str, str]:
    """The port of its health checks, where another container of the pod spec calls it there."""
    port = proxy.health_port
    if port is None or proxy.invocation.switched("prometheus"):
        return {}  # with metrics the port is written anyway
    own = spec[proxy.container.place][proxy.container.index]
    others = [each for place in (INIT, MAIN) for each in spec.get(place) or () if each is not own]
    after = json.dumps(others).split(f":{port}")[1:]
    return {str(HTTP_PORT): str(port)} if any(not text[:1].isdecimal() for text in after) else {}


def seekers(pod: Pod, proxy: OtherProxy) -> Iterator[tuple[str, str]]:
    """Containers whose command speaks of a proxy's program, and what they call it: they look for its process."""
    for container in pod.containers:
        if container is proxy.container or recognised(container):
            continue
        name = next((name for name in PROGRAMS for word in container.words if name in word), "")
        if name:
            yield container.name, name
