"""Annotations about who logs in where: the user, instances, the identity of the proxy, and what happens on problems."""

from dataclasses import dataclass
from enum import StrEnum

from cloudsql_iam_operator.api.annotations import PREFIX
from cloudsql_iam_operator.api.injection.annotation import Annotation, Line
from cloudsql_iam_operator.api.injection.instances import Address, InstanceWish, instances_named
from cloudsql_iam_operator.api.injection.values import (
    FALSE,
    TRUE,
    SecretKey,
    boolean,
    emails,
    names,
    secret_key,
    text_of,
    word_of,
)
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.api.parsing.texts import IDENTIFIER, OBJECT_NAME, SERVICE_ACCOUNT, shown


class Way(StrEnum):
    """How a pod reaches the database: not by us, through a proxy beside it, or by a connector in the application."""

    NONE = "none"
    SIDECAR = "sidecar"
    CONNECTOR = "connector"


class IdentityMode(StrEnum):
    """What happens to a pod whose Google account is not the one that its CloudSQLIAMUser logs in as."""

    ENFORCE = "enforce"
    WARN = "warn"


class OnError(StrEnum):
    """What happens to a pod for a problem that may pass without an edit of it."""

    DENY = "deny"
    SKIP = "skip"


class Wait(StrEnum):
    """What a pod's creation waits for: the user to be Ready, IAM to have taken effect as well, or nothing."""

    READY = "ready"
    PROPAGATED = "propagated"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Inject:
    """How a pod reaches the database, and the CloudSQLIAMUser that it names; "" when it names none here."""

    way: Way
    user: str = ""


def inject_or_user(annotation: str, value: str) -> Inject:
    """Yes, no, `env`, or the name of a CloudSQLIAMUser."""
    word = value.lower()
    if word in TRUE | FALSE:
        return Inject(Way.SIDECAR if word in TRUE else Way.NONE)
    if word == "env":
        return Inject(Way.CONNECTOR)
    if value.isdecimal() or OBJECT_NAME.problem(value):
        allowed = 'it may be "true", "false", "env" or the name of a CloudSQLIAMUser in the pod\'s namespace'
        several = f"; several go into {PREFIX}user, beside {PREFIX}inject: true" if "," in value else ""
        raise InvalidObject(annotation, f"is {shown(value)}; {allowed}{several}")
    return Inject(Way.SIDECAR, value)


INJECT: Annotation[Inject] = Annotation(
    "inject",
    inject_or_user,
    Inject(Way.NONE),
    Line(
        'the name of a CloudSQLIAMUser in the pod\'s namespace; `"true"` (also `"yes"`, `"on"`); `"env"`; `"false"`',
        "no proxy",
        "A proxy for that user; with `true` for those that `user` or `instances` name, else for the only user of the "
        "pod's ServiceAccount. `env`: no proxy, but variables for a connector inside the application.",
    ),
)
USER: Annotation[tuple[str, ...]] = Annotation(
    "user",
    names,
    (),
    Line(
        "names of CloudSQLIAMUsers, with commas",
        "found by the ServiceAccount",
        "Whom to log in as, when `inject` is `true` or `env`; several users are several instances of one proxy.",
    ),
)
INSTANCES: Annotation[tuple[InstanceWish, ...]] = Annotation(
    "instances",
    instances_named,
    (),
    Line(
        "`project:region:instance` or a DNS name, with commas; or JSON: "
        '`[{"name": "p:r:i", "port": 5433, "ipType": "psc", "socket": "/run/other"}]`',
        "the instance of the user",
        "Instances to reach without a CloudSQLIAMUser, by password; or what differs for the instance of the user. "
        "DNS names need proxy 2.15.",
    ),
)
DATABASE: Annotation[str] = Annotation(
    "database",
    text_of(IDENTIFIER),
    "",
    Line(
        "name of a database",
        "the one database of the user's DatabaseGrants; not set when there are several",
        "What `PGDATABASE` shall be.",
    ),
)
AUTO_IAM_AUTHN: Annotation[bool | None] = Annotation(
    "auto-iam-authn",
    boolean,
    None,
    Line(
        "`true`, `false`",
        "`true` for users, `false` for `instances`",
        "Whether the proxy logs in by IAM itself; with `false` the application brings a token or a password.",
    ),
)
IP_TYPE: Annotation[Address | None] = Annotation(
    "ip-type",
    word_of(Address),
    None,
    Line(
        "`public`, `private`, `psc`, `auto`",
        "that of the CloudSQLInstance; `public` for `instances`",
        "Which address of the instance is dialled.",
    ),
)
IMPERSONATE: Annotation[str] = Annotation(
    "impersonate",
    text_of(SERVICE_ACCOUNT),
    "",
    Line(
        "e-mail of a Google service account",
        "the pod's own account",
        "Whom the proxy acts as; the pod's account needs Token Creator on it. With IAM login: proxy 2.21.1 or newer.",
    ),
)
IMPERSONATE_DELEGATES: Annotation[tuple[str, ...]] = Annotation(
    "impersonate-delegates",
    emails,
    (),
    Line("e-mails, with commas", "none", "Accounts between the pod's and `impersonate`, nearest to the latter first."),
)
CREDENTIALS_SECRET: Annotation[SecretKey | None] = Annotation(
    "credentials-secret",
    secret_key,
    None,
    Line(
        "`NAME` or `NAME:KEY`; the key `credentials.json`",
        "Workload Identity",
        "A Secret of the namespace with a service account key or an external account, mounted into the proxy alone. "
        "Its identity cannot be checked: a warning says so. The administrator can switch it off.",
    ),
)
IDENTITY_CHECK: Annotation[IdentityMode | None] = Annotation(
    "identity-check",
    word_of(IdentityMode),
    None,
    Line(
        "`enforce`, `warn`",
        "the chart's `webhook.identityCheck`",
        "What happens when the pod's account is not the user's. `warn` only where the administrator lets pods choose.",
    ),
)
ON_ERROR: Annotation[OnError | None] = Annotation(
    "on-error",
    word_of(OnError),
    None,
    Line(
        "`deny`, `skip`",
        "the chart's `webhook.onError`",
        "What a problem does that may pass without an edit of the pod: no pod, or a pod without proxy and a warning.",
    ),
)
WAIT: Annotation[Wait | None] = Annotation(
    "wait",
    word_of(Wait),
    None,
    Line(
        "`ready`, `propagated`, `none`",
        "`ready` for pods that must not run twice (Jobs, `restartPolicy: Never`), else `none`",
        "Refuse the pod until its user is Ready, or until IAM has taken effect as well; its controller tries again.",
    ),
)
NETWORK_POLICY: Annotation[bool] = Annotation(
    "network-policy",
    boolean,
    False,
    Line(
        "`true`, `false`",
        "`false`",
        "Have the operator keep a NetworkPolicy that lets the proxy out, where the namespace denies egress by default.",
    ),
)

ACCESS: tuple[Annotation[object], ...] = (
    INJECT,
    USER,
    INSTANCES,
    DATABASE,
    AUTO_IAM_AUTHN,
    IP_TYPE,
    IMPERSONATE,
    IMPERSONATE_DELEGATES,
    CREDENTIALS_SECRET,
    IDENTITY_CHECK,
    ON_ERROR,
    WAIT,
    NETWORK_POLICY,
)  # type: ignore[assignment]
