"""What the planner knows about the world around a pod, all of it from the pod's own namespace and its instances."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from cloudsql_iam_operator.api.instance import IPType
from cloudsql_iam_operator.api.user import Principal


class Login(Enum):
    """Whether logging in as a CloudSQLIAMUser works, as far as its status says."""

    WORKS = "works"
    OBSERVED = "observed"
    """It is only observed, and not as declared: whoever keeps it may let it in by other means."""
    WAITS = "waits"
    STALLED = "stalled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class ServiceAccountFact:
    """A ServiceAccount; `google_account` is the e-mail that its annotation names, lower case, "" without one."""

    name: str
    google_account: str


@dataclass(frozen=True, slots=True)
class InstanceFact:
    """A CloudSQLInstance: `connection` is `project:region:instance`.

    `has` are the kinds of address that its status names, in capitals; none when that is not known.
    """

    name: str
    connection: str
    ip_type: IPType
    has: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UserFact:
    """A CloudSQLIAMUser of the namespace.

    `member` and `username` are those of its status, "" before that. `instance` is None when the CloudSQLInstance
    that `instance_name` names does not exist. `databases` are those that DatabaseGrants open to it, sorted. `problem`
    is the sentence of its Ready condition. `unseen` are the DatabaseGrants for it that nobody has looked at yet, as
    they stand now. `roles_due` says that it declares database roles which were not given yet. `acts_at` is when its
    latest change of IAM acts everywhere, None once that is past.
    """

    name: str
    generation: int
    principal: Principal
    deleting: bool
    member: str
    username: str
    login: Login
    problem: str
    instance_name: str
    instance: InstanceFact | None
    databases: tuple[str, ...]
    unseen: tuple[str, ...] = ()
    roles_due: bool = False
    acts_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class QuotaFact:
    """A ResourceQuota: names of what it counts (`limits.cpu`, `requests.ephemeral-storage`)."""

    name: str
    counted: frozenset[str]


@dataclass(frozen=True, slots=True)
class LimitRangeFact:
    """One item of a LimitRange, of type Container or Pod: quantities by resource."""

    name: str
    of_pod: bool = False
    least: Mapping[str, str] = field(default_factory=dict)
    most: Mapping[str, str] = field(default_factory=dict)
    limit: Mapping[str, str] = field(default_factory=dict)
    ratio: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KubeletFact:
    """Kubelets of one version (major, minor, patch), on these Linux nodes that take pods."""

    version: tuple[int, int, int]
    nodes: frozenset[str]


@dataclass(frozen=True, slots=True)
class NamespaceFact:
    """What a namespace says about all its pods: its annotations, and the rules for their resources."""

    annotations: Mapping[str, str] = field(default_factory=dict)
    quotas: tuple[QuotaFact, ...] = ()
    ranges: tuple[LimitRangeFact, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceFact:
    """A Service: the labels of its pods, and the numbers or names of the ports in them that it leads to."""

    name: str
    selector: Mapping[str, str]
    targets: frozenset[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision about one pod needs. `service_account` is None when it does not exist.

    `kubelets` are those that the pod may come to; none when that is not known.
    """

    namespace: str
    service_account: ServiceAccountFact | None
    users: tuple[UserFact, ...]
    about: NamespaceFact = NamespaceFact()
    kubelets: tuple[KubeletFact, ...] = ()
