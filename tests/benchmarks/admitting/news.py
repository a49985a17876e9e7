"""What an API server tells the webhook while the reconciler works through many objects: lists, and watches at a pace.

`python -m benchmarks.admitting.news NAMESPACE` prints its port. The first line that it reads begins the work; after
each one it prints how many events it has sent, in how many seconds.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.admitting.standin import serve
from cloudsql_iam_operator.api.names import API_VERSION, GRANT, INSTANCE, USER
from support.podshapes import FACTS, ORDERS
from support.webhookparts import manifests

JSON = dict[str, Any]
FINISHED, COMING = 900, 600
"""Users, each with a grant: those that are done when the load begins, and those that are worked through meanwhile."""

OBJECTS_A_SECOND = 60.0
TIME = "2026-11-01T08:00:00Z"


def body(made: Mapping[str, Any], version: int, status: Mapping[str, Any] | None) -> JSON:
    """An object as the API server hands it out; `status` is what the operator wrote, None for nothing yet."""
    fields: JSON = {f"f:{name}": {} for name in (*made.get("spec", ()), "metadata", "annotations", "finalizers")}
    managers = [{"manager": name, "time": TIME, "fieldsV1": fields} for name in ("kubectl", "cloudsql-iam-operator")]
    metadata = {
        **made["metadata"],
        "uid": "0b7c9a3e-5a4e-4f5e-9d2a-3f6f1d2c4b5a",
        "resourceVersion": str(version),
        "generation": 1,
        "creationTimestamp": TIME,
        "managedFields": managers,
    }
    return {**made, "metadata": metadata, **({} if status is None else {"status": status})}


def user(namespace: str, name: str) -> JSON:
    """A CloudSQLIAMUser as its author writes it."""
    made = manifests.user(namespace)
    return {**made, "metadata": {"name": name, "namespace": namespace}}


def grant(namespace: str, name: str) -> JSON:
    """The DatabaseGrant of the user of that name."""
    return {
        "apiVersion": API_VERSION,
        "kind": GRANT.name,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "instanceRef": {"name": ORDERS.name},
            "database": "orders",
            "grantees": [{"userRef": {"name": name}}],
            "preset": "read",
            "schemas": ["app"],
        },
    }


def done(kind: str) -> JSON:
    """The status of an object with which all is well."""
    layers = ("AccessAllowed", "PrincipalResolved", "IAMBound", "UserReady", "GrantsApplied", "Ready")
    conditions = [
        {
            "type": name,
            "status": "True",
            "reason": "Succeeded",
            "message": "as declared",
            "observedGeneration": 1,
            "lastTransitionTime": TIME,
        }
        for name in layers
    ]
    common = {"observedGeneration": 1, "conditions": conditions}
    if kind == GRANT.name:
        observed = {"desired": 9, "held": 9, "missing": 0, "excess": 0, "foreign": 0, "unreachable": 0}
        return {**common, "instance": ORDERS.connection, "database": "orders", "observed": observed}
    bindings = [
        {"role": role, "condition": "", "added": True}
        for role in ("roles/cloudsql.client", "roles/cloudsql.instanceUser")
    ]
    return {
        **common,
        "username": FACTS.users[0].username,
        "member": FACTS.users[0].member,
        "userType": "CLOUD_IAM_SERVICE_ACCOUNT",
        "created": True,
        "iam": {"bindings": bindings, "propagationUntil": "2026-11-01T08:07:00Z"},
    }


def events(made: Mapping[str, Any], version: int) -> Iterator[JSON]:
    """What the watch brings of one new object: it is there, it has our finalizer, it has its status."""
    held = {**made, "metadata": {**made["metadata"], "finalizers": ["iam.cloudsql.dev/finalizer"]}}
    yield {"type": "ADDED", "object": body(made, version, None)}
    yield {"type": "MODIFIED", "object": body(held, version + 1, None)}
    yield {"type": "MODIFIED", "object": body(held, version + 2, done(made["kind"]))}


class Wave:
    """The objects of a namespace, of which the last come one after the other once it has begun."""

    def __init__(self, namespace: str) -> None:
        self._begun = threading.Event()
        self._began = 0.0
        self._sent = {USER.plural: 0, GRANT.plural: 0}
        names = [f"app-{number:04d}" for number in range(FINISHED + COMING)]
        own = [user(FACTS.namespace, "checkout"), grant(FACTS.namespace, "checkout")]
        ready = [*own, *(make(namespace, name) for name in names[:FINISHED] for make in (user, grant))]
        account = manifests.service_account(FACTS.namespace, **{manifests.MARK: manifests.GOOGLE_ACCOUNT})
        self._there: dict[str, list[JSON]] = {
            USER.plural: [body(one, 1, done(USER.name)) for one in ready if one["kind"] == USER.name],
            GRANT.plural: [body(one, 1, done(GRANT.name)) for one in ready if one["kind"] == GRANT.name],
            INSTANCE.plural: [body(manifests.instance(), 1, None)],
            "serviceaccounts": [body(account, 1, None)],
        }
        self._coming = {
            USER.plural: [user(namespace, name) for name in names[FINISHED:]],
            GRANT.plural: [grant(namespace, name) for name in names[FINISHED:]],
        }

    def begin(self) -> None:
        """Begin with the work, if that was not done."""
        if not self._begun.is_set():
            self._began = time.monotonic()
            self._begun.set()

    def done(self) -> dict[str, float]:
        """Events so far, and in how many seconds."""
        return {"sent": sum(self._sent.values()), "seconds": time.monotonic() - self._began}

    def listed(self, path: str) -> JSON:
        """The list of a kind, in one page."""
        return {"items": self._there.get(path.rpartition("/")[2], []), "metadata": {"resourceVersion": "1"}}

    def news(self, path: str) -> Iterator[bytes]:
        """The events of a kind, each when it is due: users and grants take turns."""
        plural = path.rpartition("/")[2]
        self._begun.wait()
        due = self._began
        for number, made in enumerate(self._coming.get(plural, ())):
            for event in events(made, 10 + number * 3):
                due += 2 / OBJECTS_A_SECOND / 3
                time.sleep(max(0.0, due - time.monotonic()))
                yield json.dumps(event).encode() + b"\n"
                self._sent[plural] += 1
        threading.Event().wait()


def main(namespace: str) -> None:
    """Serve until standard input ends."""
    wave = Wave(namespace)
    print(json.dumps({"port": serve(wave)}), flush=True)
    for _ in sys.stdin:
        wave.begin()
        print(json.dumps(wave.done()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
