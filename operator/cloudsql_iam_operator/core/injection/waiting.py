"""Whether a pod waits for its login: one that runs only once is not started before that works."""

from collections.abc import Iterator

from cloudsql_iam_operator.api.injection.access import WAIT, Wait
from cloudsql_iam_operator.core.injection.facts import Login, UserFact
from cloudsql_iam_operator.core.injection.outcome import Code, Refusal, forbidden
from cloudsql_iam_operator.core.injection.pod import Frame


def runs_once(pod: Frame) -> bool:
    """Whether nobody runs the pod again in the way that a server is run again, so that a failure counts."""
    return pod.restart_policy == "Never" or pod.owned_by_job


def wait_of(said: Wait | None, pod: Frame) -> Wait:
    """What the pod waits for: as its annotation says, None for not said.

    A pod that is not run again waits until it is ready by default: a pod that is refused is made again by its
    controller and counts for nothing, while one that fails is counted against `backoffLimit`.
    """
    return said if said is not None else (Wait.READY if runs_once(pod) else Wait.NONE)


def waiting_warnings(user: UserFact, wait: Wait, pod: Frame) -> Iterator[str]:
    """What may keep the pod from logging in at first, when it does not wait for that.

    Raises:
        Refusal: it waits. The reason passes by itself.
    """
    why = f" ({user.problem})" if user.problem else ""
    if wait is not Wait.NONE and user.login is Login.WAITS:
        raise _held(pod, f"CloudSQLIAMUser {user.name} is not ready{why}", "it is")
    if wait is not Wait.NONE and user.roles_due:
        raise _held(pod, f"database roles of CloudSQLIAMUser {user.name} were not given yet{why}", "they are")
    if wait is not Wait.NONE and user.unseen:
        raise _held(pod, f"DatabaseGrant {', '.join(user.unseen)} for {user.name} was not carried out yet", "it was")
    if user.acts_at is None:
        return
    until = user.acts_at.isoformat().replace("+00:00", "Z")
    what = f"IAM may take until {until} to let CloudSQLIAMUser {user.name} in"
    if wait is Wait.PROPAGATED:
        raise _held(pod, what, "then")
    if runs_once(pod):
        yield f"{what}: set {WAIT}: propagated, or let the program try its login again"


CONTROLLERS = frozenset({"DaemonSet", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"})
"""Kinds whose controllers make a pod again that was refused. Source: kube-controller-manager"""


def _held(pod: Frame, why: str, until: str) -> Refusal:
    again = "nobody makes it again: apply it then, or make it a Job"
    if pod.owner:
        known = pod.owner in CONTROLLERS
        again = "made again by its controller" if known else f"whether its {pod.owner[:40]} makes it again is not known"
    return forbidden(Code.WAIT, f"{why}: the pod is refused until {until}, and {again}; {WAIT}: none starts it now")
