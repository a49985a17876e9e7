"""The NetworkPolicy that lets the proxies of one workload out, and where it would do more harm than good."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator.api.injection.access import NETWORK_POLICY
from cloudsql_iam_operator.api.injection.wishes import parse_wishes, users_named
from cloudsql_iam_operator.api.names import FIELD_MANAGER
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.core.injection.workloads.templates import Workload, account_of, template_of

JSON = Mapping[str, Any]
_NAME = "cloudsql-proxy-"
OURS = {"app.kubernetes.io/managed-by": FIELD_MANAGER}
"""Labels by which the operator's policies are listed."""

_METADATA = (("169.254.169.254/32", (80, 988)), ("169.254.169.252/32", (987, 988)))
"""Google's metadata server. Source: GKE, "Network policies and Workload Identity Federation for GKE"."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """Where proxies may go, in CIDR notation: to Google's APIs on 443, and to instances on 3307."""

    apis: tuple[str, ...]
    instances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asking:
    """A workload whose pod template asks for a policy; `labels` are those of its pods.

    `users` are the CloudSQLIAMUsers that they name; where they name none, it is the one for their `account`.
    """

    namespace: str
    owner: JSON
    labels: Mapping[str, str]
    users: tuple[str, ...] = ()
    account: str = ""

    @property
    def name(self) -> str:
        """Name of its policy: of the workload's uid, since names of two kinds may be equal and long."""
        return f"{_NAME}{self.owner['uid']}"


def asking(workload: Workload) -> Asking | None:
    """Who asks; None when the template does not, or cannot be understood."""
    metadata, template = workload.body["metadata"], template_of(workload)
    marks = template.get("metadata") or {}
    try:
        wishes = parse_wishes(marks.get("annotations"), {})
    except InvalidObject:
        return None
    if wishes is None or not wishes[NETWORK_POLICY]:
        return None
    owner = {
        "apiVersion": f"{workload.group}/v1",
        "kind": workload.kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
    labels = dict(marks.get("labels") or {})
    return Asking(metadata["namespace"], owner, labels, users_named(wishes), account_of(workload))


def objection(who: Asking, policies: Iterable[JSON]) -> str:
    """Why there can be no policy for this workload, "" when there can. `policies` are those of its namespace.

    A policy for egress shuts all that it does not name: one of ours must not be the first to choose a pod.
    Source: Kubernetes, "Network Policies", isolated and non-isolated pods
    """
    if not who.labels:
        return "its pods have no labels that a policy could choose them by: give its template some"
    others = [policy for policy in policies if not is_ours(policy)]
    if any(policy["metadata"]["name"] == who.name for policy in others):
        return f"somebody else has made NetworkPolicy {who.name}: delete that"
    if any(isolates(policy, who.labels) for policy in others):
        return ""
    return (
        "nothing limits the egress of its pods, and a policy of ours would be the first: it would cut them off from "
        f"all but the database; take {NETWORK_POLICY} off, or deny egress by default"
    )


def policy(who: Asking, policies: Iterable[JSON], ranges: Ranges) -> dict[str, Any]:
    """The policy, whole as the API server keeps it: name resolution, metadata server, Google's APIs, instances.

    It chooses only pods that one of the others in `policies` limits already: there may be more pods with these labels.
    """
    metadata_server = [
        {"to": [{"ipBlock": {"cidr": cidr}}], "ports": [_port(port) for port in ports]} for cidr, ports in _METADATA
    ]
    egress = [
        {"ports": [_port(53, "UDP"), _port(53)]},
        *metadata_server,
        {"to": [{"ipBlock": {"cidr": cidr}} for cidr in ranges.apis], "ports": [_port(443)]},
        {"to": [{"ipBlock": {"cidr": cidr}} for cidr in ranges.instances], "ports": [_port(3307)]},
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": who.name,
            "namespace": who.namespace,
            "labels": dict(OURS),
            "ownerReferences": [dict(who.owner)],
        },
        "spec": {"podSelector": _selector(who, policies), "policyTypes": ["Egress"], "egress": egress},
    }


def is_ours(found: JSON) -> bool:
    """Whether a policy is one that the operator made, by the name that its owner gives it; labels can be anybody's."""
    metadata = found["metadata"]
    return any(metadata["name"] == f"{_NAME}{owner.get('uid')}" for owner in metadata.get("ownerReferences") or ())


def isolates(found: JSON, labels: Mapping[str, str]) -> bool:
    """Whether a policy limits the egress of pods with these labels."""
    spec = found["spec"]
    selector = spec.get("podSelector") or {}
    equal = all(labels.get(name) == value for name, value in (selector.get("matchLabels") or {}).items())
    fits = equal and all(_fits(one, labels) for one in selector.get("matchExpressions") or ())
    return fits and "Egress" in (spec.get("policyTypes") or ())


def _selector(who: Asking, policies: Iterable[JSON]) -> dict[str, Any]:
    """Labels of the workload, and what the mildest policy that limits it says of labels which it does not have."""
    limits = [_absences(found, who.labels) for found in policies if not is_ours(found) and isolates(found, who.labels)]
    narrowed = min(limits, key=len, default=[])
    return {"matchLabels": dict(who.labels), **({"matchExpressions": narrowed} if narrowed else {})}


def _absences(found: JSON, labels: Mapping[str, str]) -> list[JSON]:
    expressions = (found["spec"].get("podSelector") or {}).get("matchExpressions") or ()
    return [dict(one) for one in expressions if one["key"] not in labels]


def _fits(expression: JSON, labels: Mapping[str, str]) -> bool:
    """Whether labels fit one expression. Source: Kubernetes, LabelSelectorRequirement."""
    value, values = labels.get(expression["key"]), expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False


def _port(number: int, protocol: str = "TCP") -> dict[str, Any]:
    return {"port": number, "protocol": protocol}
