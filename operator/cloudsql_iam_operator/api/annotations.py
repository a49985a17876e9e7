"""Annotations of our domain: which there are, and the parser of those on pods. What they cause is decided elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from cloudsql_iam_operator.api.names import GROUP
from cloudsql_iam_operator.api.parsing.annotation_values import (
    Containers,
    Resources,
    containers_named,
    image_named,
    port_number,
    resources_of,
)
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.api.parsing.texts import IDENTIFIER, OBJECT_NAME, Text, shown

PREFIX = f"{GROUP}/"
"""How the name of every pod annotation of ours begins."""

REQUESTED_AT = f"reconcile.{GROUP}/requestedAt"
"""On our own kinds: a new value asks for a reconcile now, and is echoed in status.lastHandledReconcileAt."""

INJECT = f"{PREFIX}inject"
USER = f"{PREFIX}user"
DATABASE = f"{PREFIX}database"
PORT = f"{PREFIX}port"
CONTAINERS = f"{PREFIX}containers"
IMAGE = f"{PREFIX}image"
CPU_REQUEST = f"{PREFIX}cpu-request"
MEMORY_REQUEST = f"{PREFIX}memory-request"
CPU_LIMIT = f"{PREFIX}cpu-limit"
MEMORY_LIMIT = f"{PREFIX}memory-limit"
STATUS = f"{PREFIX}status"
"""Written by the webhook into what it injected; never read as a wish."""

READ = (INJECT, USER, DATABASE, PORT, CONTAINERS, IMAGE, CPU_REQUEST, MEMORY_REQUEST, CPU_LIMIT, MEMORY_LIMIT)
"""Annotations that a pod's author may set in this release."""

LATER = tuple(
    PREFIX + name
    for name in (
        "admin-port",
        "auto-iam-authn",
        "credentials-secret",
        "debug-logs",
        "disable-metrics",
        "disable-traces",
        "env",
        "env-prefix",
        "extra-args",
        "http-port",
        "identity-check",
        "image-pull-policy",
        "impersonate",
        "impersonate-delegates",
        "instances",
        "ip-type",
        "lazy-refresh",
        "max-connections",
        "max-sigterm-delay",
        "min-sigterm-delay",
        "native-sidecar",
        "network-policy",
        "on-error",
        "prometheus",
        "quiet",
        "quota-project",
        "readiness-probe",
        "run-connection-test",
        "sql-admin-api-endpoint",
        "telemetry-prefix",
        "telemetry-project",
        "telemetry-sample-rate",
        "universe-domain",
        "unix-socket",
    )
)
"""Annotations whose names are taken and that have no behaviour yet."""

_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Injection:
    """What a pod asks for.

    user: name of the CloudSQLIAMUser in the pod's namespace; "" when it is to be found by the pod's ServiceAccount.
    database: what PGDATABASE shall be; "" when not said. port: on 127.0.0.1; None when not said.
    image: the proxy's; "" when not said. status: what an earlier injection wrote; "" when nothing.
    """

    user: str
    database: str
    port: int | None
    containers: Containers
    image: str
    resources: Resources
    status: str


def parse_injection(annotations: Mapping[str, str] | None) -> Injection | None:
    """What a pod's annotations ask for; None when they do not ask for injection, or ask for none.

    Annotations of other domains are not read; all of ours are, with `inject: "false"` too.

    Raises:
        InvalidObject: `field` is the full name of an annotation that does not exist, has no behaviour yet, or whose
            value cannot be meant.
    """
    ours = {name: value for name, value in (annotations or {}).items() if name.startswith(PREFIX)}
    for name in sorted(ours):
        _refuse_unread(name)
    inject = ours.get(INJECT)
    if inject is None:
        _refuse_without_inject(ours)
        return None
    wanted, user = _inject(inject, ours.get(USER))
    injection = Injection(
        user=user,
        database=_text(ours, DATABASE, IDENTIFIER),
        port=port_number(PORT, ours[PORT]) if PORT in ours else None,
        containers=containers_named(CONTAINERS, ours.get(CONTAINERS, "*")),
        image=image_named(IMAGE, ours[IMAGE]) if IMAGE in ours else "",
        resources=resources_of(ours, (CPU_REQUEST, MEMORY_REQUEST, CPU_LIMIT, MEMORY_LIMIT)),
        status=ours.get(STATUS, ""),
    )
    return injection if wanted else None


def _refuse_unread(name: str) -> None:
    if name in READ or name == STATUS:
        return
    if name in LATER:
        raise InvalidObject(name, "has no behaviour yet; take it off, it would be ignored")
    short = {known.removeprefix(PREFIX): known for known in (*READ, *LATER)}
    near = get_close_matches(name.removeprefix(PREFIX).lower(), short, n=1)
    hint = f"did you mean {short[near[0]]}?" if near else f"there are {', '.join(sorted(READ))}"
    raise InvalidObject(name, f"no such annotation; {hint}")


def _refuse_without_inject(ours: Mapping[str, str]) -> None:
    wishes = sorted(set(ours) - {STATUS})
    if wishes:
        raise InvalidObject(wishes[0], f"does nothing without {INJECT}; set that to the name of a CloudSQLIAMUser")


def _inject(value: str, user: str | None) -> tuple[bool, str]:
    """Whether injection is wanted, and for which CloudSQLIAMUser."""
    wish = value.strip()
    named = _user(user)
    if wish.lower() in _TRUE | _FALSE:
        return wish.lower() in _TRUE, named
    if not wish or wish.isdecimal() or OBJECT_NAME.problem(wish):
        allowed = 'it may be "true", "false" or the name of a CloudSQLIAMUser in the pod\'s namespace'
        raise InvalidObject(INJECT, f"is {shown(value)}; {allowed}")
    if named not in ("", wish):
        raise InvalidObject(USER, f"names {named}, but {INJECT} names {wish}; name the user in one place")
    return True, wish


def _user(value: str | None) -> str:
    if value is None:
        return ""
    if "," in value:
        raise InvalidObject(USER, f"is {shown(value)}; several users in one pod have no behaviour yet, name one")
    if "/" in value:
        raise InvalidObject(USER, f"is {shown(value)}; only users of the pod's own namespace can be named, without it")
    problem = OBJECT_NAME.problem(value.strip())
    if problem:
        raise InvalidObject(USER, problem)
    return value.strip()


def _text(ours: Mapping[str, str], name: str, rule: Text) -> str:
    if name not in ours:
        return ""
    problem = rule.problem(ours[name])
    if problem:
        raise InvalidObject(name, problem)
    return ours[name]
