"""The proxy for one pod, put together from what the pod asks for and where it runs; and what adds it to the pod."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator.api.injection.access import CREDENTIALS_SECRET, NETWORK_POLICY
from cloudsql_iam_operator.api.injection.flags import MAX_SIGTERM_DELAY, MIN_SIGTERM_DELAY
from cloudsql_iam_operator.api.injection.sidecar import ADMIN_PORT, IMAGE, NATIVE_SIDECAR
from cloudsql_iam_operator.core.injection.neighbours import meshes
from cloudsql_iam_operator.core.injection.patch import Add, inserted, pointer
from cloudsql_iam_operator.core.injection.pod import INIT, MAIN, Frame, Pod
from cloudsql_iam_operator.core.injection.sidecar import flags, image, resources, volumes
from cloudsql_iam_operator.core.injection.sidecar.company import Company
from cloudsql_iam_operator.core.injection.sidecar.container import Proxy
from cloudsql_iam_operator.core.injection.sidecar.form import Form, form_of
from cloudsql_iam_operator.core.injection.sidecar.ports import Ports, chosen, moved
from cloudsql_iam_operator.core.injection.sidecar.situation import Situation
from cloudsql_iam_operator.core.injection.targets import Target

UID_RANGE = "openshift.io/sa.scc.uid-range"
"""On a Namespace of OpenShift: which users its pods may run as; the platform assigns one where none is set."""

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
QUIT_URLS = "CSQL_PROXY_QUIT_URLS"
"""Where a program that ends calls the proxy to end too; the name is that of Google's own operator."""

SHORT_DELAY, LONG_DELAY = 5, 20
"""Seconds after SIGTERM in which an ordinary sidecar takes new connections, and lets those that are there close."""


def proxy(on: Situation, targets: Sequence[Target], beside: Company) -> Proxy:
    """The proxy for the targets.

    Raises:
        Refusal: it cannot be as the pod asks for.
    """
    form = form_of(on.wishes[NATIVE_SIDECAR], on.frame, on.facts.kubelets)
    listening, ports = chosen(on.wishes, targets, beside.taken, admin=_is_called(on, form))
    return _proxy(on, form, listening, ports, beside)


def again(on: Situation, targets: Sequence[Target], ports: Ports, beside: Company) -> Proxy:
    """The proxy that a pod would have today, on the ports that it has."""
    form = form_of(on.wishes[NATIVE_SIDECAR], on.frame, on.facts.kubelets)
    return _proxy(on, form, tuple(targets), ports, beside)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the proxy's container goes, into which list; `first` is the first container of the application."""

    among: str
    index: int
    alone: bool
    first: str


def place(pod: Pod, form: Form) -> Place:
    """The proxy's place: among the init containers after the mesh, or an ordinary one after the others."""
    there = pod.init if form.native else pod.main
    index = meshes.place_for_proxy(pod) if form.native else len(there)
    return Place(INIT if form.native else MAIN, index, not there, pod.main[0].name if pod.main else "")


def operations(frame: Frame, proxy: Proxy, built: Mapping[str, Any], at: Place) -> list[Add]:
    """Operations that add the proxy's container, `built`, to those of the pod with this frame."""
    added = inserted(("spec", at.among), at.index, [built], None if at.alone else [None])
    if at.among == MAIN and at.first and DEFAULT_CONTAINER not in (frame.annotations or {}):
        # `kubectl logs` and `exec` go on meaning the application
        added.append(Add(pointer("metadata", "annotations", DEFAULT_CONTAINER), at.first))
    return added


def provisions(on: Situation, proxy: Proxy) -> list[Add]:
    """Operations that add to the pod what the proxy's container needs there.

    Raises:
        Refusal: something else is in the way.
    """
    there = on.frame.pull_secrets
    pull = [{"name": name} for name in on.settings.pull_secrets if name not in there]
    return [
        *volumes.volume_operations(on.frame, proxy.targets, on.wishes),
        *inserted(("spec", "imagePullSecrets"), len(there), pull, list(there)),
    ]


def quit_variables(admin: int | None) -> Mapping[str, str]:
    """What a program needs to end a proxy that nothing else ends."""
    return {} if admin is None else {QUIT_URLS: f"http://{flags.LOOPBACK}:{admin}/quitquitquit"}


def warnings(on: Situation, built: Proxy, beside: Company) -> Iterator[str]:
    """What its author may not expect of the proxy, whichever containers are to reach the database.

    Raises:
        Refusal: the image is too old for what is asked of it.
    """
    yield from image.version_warnings(built.image, flags.needs(on.wishes, built.targets))
    yield from moved(on.wishes, built.targets)
    yield from resources.resource_warnings(built.shares, on, beside.running)
    if on.wishes[NETWORK_POLICY] and not on.settings.network_policies:
        yield f"{NETWORK_POLICY} does nothing here: the administrator has not enabled networkPolicies in the chart"
    for annotation in (MIN_SIGTERM_DELAY, MAX_SIGTERM_DELAY):
        seconds = on.wishes[annotation]
        if seconds is not None and seconds > on.frame.grace:
            yield f"{annotation} is {seconds}s, and the pod is killed {on.frame.grace}s after SIGTERM: raise its grace"


def _proxy(on: Situation, form: Form, targets: tuple[Target, ...], ports: Ports, beside: Company) -> Proxy:
    return Proxy(
        image=image.image_for(on.wishes[IMAGE], on.settings),
        form=form,
        targets=targets,
        ports=ports,
        wishes=on.wishes,
        flags=tuple(flags.said_flags(on.wishes, on.settings)),
        shares=resources.shares(on, beside.running),
        environment=tuple(_environment(on, beside)),
        assigned=UID_RANGE in on.facts.about.annotations,
        delays=_delays(on.frame),
    )


def _is_called(on: Situation, form: Form) -> bool:
    """Whether anything calls the admin server: the program of a pod that ends, where nothing else ends the proxy."""
    ends = on.frame.restart_policy != "Always" or on.frame.owned_by_job
    return on.wishes[ADMIN_PORT] is not None or (ends and not form.native)


def _delays(pod: Frame) -> tuple[int, int] | None:
    return (SHORT_DELAY, min(LONG_DELAY, pod.grace - SHORT_DELAY)) if pod.grace > 2 * SHORT_DELAY else None


def _environment(on: Situation, beside: Company) -> Iterator[tuple[str, str]]:
    """Variables of the proxy: where the metadata server is, and how Google's APIs are reached."""
    if on.settings.metadata_host and on.wishes[CREDENTIALS_SECRET] is None:
        # without it the proxy looks for the server once, and ends at once on a node where that is late
        yield "GCE_METADATA_HOST", on.settings.metadata_host
    yield from on.settings.environment or beside.web_proxy
