"""The three answers to one pod: patched, left alone, or refused."""

from dataclasses import dataclass
from enum import StrEnum

from cloudsql_iam_operator.core.injection.patch import Add


class Code(StrEnum):
    """Why a pod was left alone or refused; short words for a metric's label."""

    NO_ANNOTATIONS = "no-annotations"
    MIRROR_POD = "mirror-pod"
    OPTED_OUT = "opted-out"
    ALREADY_INJECTED = "already-injected"
    OTHER_PROXY = "other-proxy"
    SKIPPED = "skipped"
    TEMPLATE = "template"
    HOOK = "hook"

    ANNOTATION = "annotation"
    POD_SHAPE = "pod-shape"
    PORT = "port"
    IMAGE = "image"
    USER = "user"
    LOGIN = "login"
    WAIT = "wait"
    IDENTITY = "identity"
    INSTANCE = "instance"
    BUG = "bug"


@dataclass(frozen=True, slots=True)
class Injected:
    """The pod gets a proxy, or its later containers get the environment: operations in the order to apply them."""

    operations: tuple[Add, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The pod is admitted as it is."""

    code: Code
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """The pod is refused. `status` is the HTTP code: 422 for what only an edit of the pod helps, 403 for the rest.

    With 403 the reason lies in the facts: newer facts may allow the same pod.
    """

    status: int
    code: Code
    message: str


Outcome = Injected | Unchanged | Denied


class Refusal(Exception):
    """Ends planning with a denial."""

    def __init__(self, code: Code, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.denied = Denied(status, code, message)


def forbidden(code: Code, message: str) -> Refusal:
    """A refusal for how the world stands, which may change without an edit of the pod."""
    return Refusal(code, message, status=403)
