"""The live objects of our kinds as last seen, and who refers to whom. Filled by watches and full lists."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloudsql_iam_operator.api.annotations import REQUESTED_AT
from cloudsql_iam_operator.api.grant import DatabaseGrant, UserRef
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import ALLOW_REMOVALS, APPROVE, FINALIZER, GIVE_UP, GRANT, INSTANCE, USER, Key
from cloudsql_iam_operator.api.parsing.objects import InvalidObject, parse
from cloudsql_iam_operator.api.user import CloudSQLIAMUser

Parsed = CloudSQLInstance | CloudSQLIAMUser | DatabaseGrant


@dataclass(frozen=True, slots=True)
class Live:
    """One object as last seen: what it says, or why that cannot be read."""

    key: Key
    body: Mapping[str, Any]
    spec: Parsed | InvalidObject

    @property
    def uid(self) -> str:
        """metadata.uid: another object of the same name has another."""
        return str(self.body["metadata"]["uid"])

    @property
    def status(self) -> Mapping[str, Any]:
        """Its status as stored; {} before the first."""
        return self.body.get("status") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations; {} when it has none."""
        return self.body["metadata"].get("annotations") or {}

    @property
    def departed(self) -> bool:
        """Whether it exists no more, and is known only until what it caused is taken back."""
        return bool(self.key.uid)

    @property
    def deleting(self) -> bool:
        """Whether somebody asked for its deletion."""
        return "deletionTimestamp" in self.body["metadata"]

    @property
    def held(self) -> bool:
        """Whether our finalizer stands, without which nothing outside may be written."""
        return FINALIZER in self.body["metadata"].get("finalizers", ())

    @property
    def generation(self) -> int:
        """metadata.generation."""
        return int(self.body["metadata"].get("generation", 0))

    @property
    def instance(self) -> str:
        """Name of the CloudSQLInstance it was admitted on, else of that which it names; "" when neither can be read."""
        recorded = self.status.get("instanceName")
        return str(recorded) if recorded else declared_instance(self.body)

    @property
    def ready(self) -> bool:
        """Whether its Ready condition is True for the generation seen."""
        return self.status.get("observedGeneration") == self.generation and any(
            c.get("type") == "Ready" and c.get("status") == "True" for c in self.status.get("conditions", ())
        )


class Registry:
    """Objects by key. Belongs to one event loop; never blocks."""

    def __init__(self) -> None:
        self._objects: dict[Key, Live] = {}
        self._departed: set[Key] = set()
        self.listed = False

    def put(self, key: Key, body: Mapping[str, Any]) -> bool:
        """Remember the object; whether anything but its status changed, so that it is to be reconciled."""
        before = self._objects.get(key)
        if before is not None and _version(body) < _version(before.body):
            return False
        self._objects[key] = Live(key, body, parse(key, body))
        return before is None or _intent(before.body) != _intent(body)

    def renew(self, key: Key, body: Mapping[str, Any]) -> bool:
        """Remember what was stored of a known object; whether it is known still, for it may have vanished meanwhile."""
        known = self._objects.get(key)
        if known is None or known.uid != body["metadata"]["uid"]:
            return False
        self.put(key, body)
        return True

    def former(self, key: Key, body: Mapping[str, Any]) -> Live | None:
        """The object that had this name before the one shown, whose end no watch showed."""
        known = self._objects.get(key)
        if known is None or known.uid == body["metadata"]["uid"] or _version(body) < _version(known.body):
            return None
        return known

    def remove(self, key: Key) -> None:
        """The object is gone."""
        self._objects.pop(key, None)
        self._departed.discard(key)

    def depart(self, live: Live, status: Mapping[str, Any]) -> Key:
        """Remember an object that exists no more as one that is being deleted, with this status; its key."""
        key = replace(live.key, uid=live.uid)
        metadata = {"deletionTimestamp": "", **live.body["metadata"], "finalizers": [FINALIZER]}
        self._objects[key] = Live(key, {**live.body, "metadata": metadata, "status": dict(status)}, live.spec)
        self._departed.add(key)
        return key

    def get(self, key: Key) -> Live | None:
        """The object as last seen."""
        return self._objects.get(key)

    def of_kind(self, kind: str) -> tuple[Live, ...]:
        """All objects of a kind, in no order that means anything."""
        return tuple(live for key, live in self._objects.items() if key.kind == kind)

    def instance(self, name: str) -> Live | None:
        """The CloudSQLInstance of that name."""
        return self.get(Key(INSTANCE.name, "", name))

    def user(self, namespace: str, name: str) -> Live | None:
        """The CloudSQLIAMUser of that name."""
        return self.get(Key(USER.name, namespace, name))

    def naming(self, instance: str) -> Iterator[Live]:
        """Users and grants that were admitted on the instance, or that name it; readable or not."""
        return (live for live in self._objects.values() if live.key.kind != INSTANCE.name and live.instance == instance)

    def users_of(self, instance: str) -> Iterator[tuple[Live, CloudSQLIAMUser]]:
        """Readable users that name the instance."""
        for live in self._objects.values():
            if isinstance(live.spec, CloudSQLIAMUser) and live.spec.instance == instance:
                yield live, live.spec

    def grants_to(self, user: Key) -> Iterator[tuple[Live, DatabaseGrant]]:
        """Readable grants of which the user is a grantee."""
        for live in self._objects.values():
            if not isinstance(live.spec, DatabaseGrant) or live.key.namespace != user.namespace:
                continue
            if UserRef(user.name) in live.spec.grantees:
                yield live, live.spec

    def holding_for(self, user: Key) -> Iterator[Live]:
        """Grants that record something given to the user, whatever their specs say now."""
        for live in self._objects.values():
            if (live.key.kind, live.key.namespace) != (GRANT.name, user.namespace):
                continue
            if any(one.get("user") == user.name for one in live.status.get("holders", ())):
                yield live

    def dependents(self, key: Key) -> tuple[Key, ...]:
        """Keys whose standing may change when this object's does."""
        if key.kind == INSTANCE.name:
            return tuple(live.key for live in self.naming(key.name))
        if key.kind == USER.name:
            return tuple({live.key for live, _ in self.grants_to(key)} | {live.key for live in self.holding_for(key)})
        if key.kind == GRANT.name:
            live = self.get(key)
            spec = live.spec if live else None
            names = (g.name for g in spec.grantees if isinstance(g, UserRef)) if isinstance(spec, DatabaseGrant) else ()
            users = {Key(USER.name, key.namespace, name) for name in names}
            return tuple(k for k in (*users, *self._departed) if self._terminating(k) and replace(k, uid="") in users)
        return ()

    def _terminating(self, key: Key) -> bool:
        live = self.get(key)
        return live is not None and live.deleting


def declared_instance(body: Mapping[str, Any]) -> str:
    """Name of the CloudSQLInstance that a body names, whatever else in it cannot be read; "" without one."""
    spec = body.get("spec")
    reference = spec.get("instanceRef") if isinstance(spec, Mapping) else None
    name = reference.get("name") if isinstance(reference, Mapping) else None
    return name if isinstance(name, str) else ""


def _version(body: Mapping[str, Any]) -> int:
    return int(body["metadata"].get("resourceVersion") or 0)


def _intent(body: Mapping[str, Any]) -> tuple[object, ...]:
    metadata = body["metadata"]
    annotations = metadata.get("annotations") or {}
    return (
        metadata.get("uid"),
        metadata.get("generation"),
        metadata.get("deletionTimestamp"),
        FINALIZER in metadata.get("finalizers", ()),
        annotations.get(REQUESTED_AT),
        annotations.get(APPROVE),
        annotations.get(GIVE_UP),
        annotations.get(ALLOW_REMOVALS),
    )
