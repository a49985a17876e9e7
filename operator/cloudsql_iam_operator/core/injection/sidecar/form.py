"""Whether the proxy is a native sidecar, and how its start is waited for: what the kubelets can do decides."""

from collections.abc import Iterator, Sequence
from enum import Enum

from cloudsql_iam_operator.api.injection.sidecar import NATIVE_SIDECAR, Native
from cloudsql_iam_operator.core.injection.facts import KubeletFact
from cloudsql_iam_operator.core.injection.outcome import Code, Refusal
from cloudsql_iam_operator.core.injection.pod import INIT, Container, Frame, Pod

NATIVE_SINCE = (1, 29)
"""The first kubelet with native sidecars on. Source: Kubernetes, "Sidecar containers" """

REPAIRED = {(1, 33): (1, 33, 7), (1, 34): (1, 34, 3), (1, 35): (1, 35, 4)}
"""First kubelets of their minor versions in which a sidecar that ends before its first probe does not hang the pod.

Source: kubernetes issues 132826 (all before 1.35) and 137146 (1.35 only)
"""


class Form(Enum):
    """What kind of container the proxy is.

    PROBED and HOOKED are native sidecars: later containers wait for its startup probe, or for a hook after its start.
    """

    PROBED = "probed"
    HOOKED = "hooked"
    ORDINARY = "ordinary"

    @property
    def native(self) -> bool:
        """Whether it is an init container that goes on running."""
        return self is not Form.ORDINARY


def form_of(wish: Native, pod: Frame, kubelets: Sequence[KubeletFact]) -> Form:
    """The form of the proxy in this pod; native where no kubelet is known.

    A pod that is never restarted gets no startup probe where a kubelet stops to probe once the proxy has ended.

    Raises:
        Refusal: a native sidecar is asked for, and a kubelet would wait for its end.
    """
    possible = tuple(_possible(pod, kubelets))
    old = next((kubelet for kubelet in possible if kubelet.version[:2] < NATIVE_SINCE), None)
    if wish is Native.TRUE and old is not None:
        version = ".".join(map(str, old.version))
        raise Refusal(
            Code.POD_SHAPE,
            f"{NATIVE_SIDECAR} is true, and node {min(old.nodes)} runs kubelet {version}, which knows no native "
            "sidecars: leave it out, or bind the pod to newer nodes",
        )
    if wish is Native.FALSE or old is not None:
        return Form.ORDINARY
    hangs = pod.restart_policy == "Never" and any(_hangs(kubelet) for kubelet in possible)
    return Form.HOOKED if hangs else Form.PROBED


def form_warnings(form: Form, pod: Pod, chosen: Sequence[Container]) -> Iterator[str]:
    """What an ordinary sidecar does to this pod; `chosen` are the containers that are to reach the database."""
    if form.native:
        return
    if pod.frame.restart_policy != "Always" or pod.frame.owned_by_job:
        yield (
            "the proxy is an ordinary container, since a kubelet knows no native sidecars or the pod wants none: the "
            "pod completes only when its program calls each address of CSQL_PROXY_QUIT_URLS with POST at its end"
        )
    waiting = [container.name for container in chosen if container.place == INIT and not container.native]
    if waiting:
        yield f"init containers ({', '.join(waiting)}) cannot reach the database: the proxy starts after them"


def _possible(pod: Frame, kubelets: Sequence[KubeletFact]) -> Iterator[KubeletFact]:
    bound = [kubelet for kubelet in kubelets if pod.node in kubelet.nodes]
    yield from bound or kubelets


def _hangs(kubelet: KubeletFact) -> bool:
    minor = kubelet.version[:2]
    return kubelet.version < REPAIRED.get((minor[0], minor[1]), (1, 33, 0))
