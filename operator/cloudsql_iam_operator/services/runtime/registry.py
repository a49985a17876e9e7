"""The live objects of our kinds as last seen, and who refers to whom. Filled by watches and full lists."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from cloudsql_iam_operator.api.bodies import Remembered, declared_instance, intent, opened, remembered
from cloudsql_iam_operator.api.grant import DatabaseGrant, UserRef
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import FINALIZER, GRANT, INSTANCE, KINDS, USER, Key
from cloudsql_iam_operator.api.parsing.objects import InvalidObject, parse, parse_again
from cloudsql_iam_operator.api.user import CloudSQLIAMUser
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.core.users.claims import UserClaim
from cloudsql_iam_operator.core.users.record import UserRecord, record_in
from cloudsql_iam_operator.services.runtime.references import Named, References, held_by, named_by, users_in

ENDED_SECONDS = 3600.0
"""How long an object's end is remembered: longer than any list or call that may still show it."""

_ALLOWED = ConditionType.ACCESS_ALLOWED.value

Parsed = CloudSQLInstance | CloudSQLIAMUser | DatabaseGrant


@dataclass(frozen=True, slots=True)
class Live:
    """One object as last seen: what it says, or why that cannot be read, and what of its body is remembered.

    Beside that stands what is asked of all objects at once. `uid`: another object of the same name has
    another. `deleting`: somebody asked for its deletion. `held`: our finalizer stands, without which nothing outside
    may be written. `has_say`: it is let in, or records something as granted. `instance` is the name of the
    CloudSQLInstance it was admitted on, else of that which it names; "" when neither can be read.
    """

    key: Key
    spec: Parsed | InvalidObject
    uid: str
    generation: int
    version: int
    deleting: bool
    held: bool
    has_say: bool
    instance: str
    remembered: Remembered
    _record: UserRecord | None = field(default=None, init=False, repr=False, compare=False)
    _claim: UserClaim | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, key: Key, body: Mapping[str, Any], spec: Parsed | InvalidObject) -> "Live":
        """The object of that body, which says `spec`."""
        metadata, status = body["metadata"], body.get("status") or {}
        return cls(
            key,
            spec,
            uid=_uid(body),
            generation=int(metadata.get("generation", 0)),
            version=_version(body),
            deleting="deletionTimestamp" in metadata,
            held=FINALIZER in metadata.get("finalizers", ()),
            has_say=_has_say(status),
            instance=sys.intern(str(status.get("instanceName") or declared_instance(body))),
            remembered=remembered(body),
        )

    @property
    def body(self) -> Mapping[str, Any]:
        """What of its body is remembered."""
        return opened(self.remembered)

    @property
    def status(self) -> Mapping[str, Any]:
        """Its status as stored; {} before the first."""
        status: Mapping[str, Any] = self.body["status"]
        return status

    @property
    def record(self) -> UserRecord:
        """What its status records of a database user, read once: all passes ask for it."""
        if self._record is not None:
            return self._record
        object.__setattr__(self, "_record", record := record_in(self.status))
        return record

    @property
    def claim(self) -> UserClaim:
        """The claim that it lays to the username that it records, while its access has not ended."""
        if self._claim is not None:
            return self._claim
        created, named = datetime.fromisoformat(self.body["metadata"]["creationTimestamp"]), self.record
        claim = UserClaim(named.username, created, self.uid, str(self.key), named.member, self.key.namespace)
        object.__setattr__(self, "_claim", claim)
        return claim

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations; {} when it has none."""
        return self.body["metadata"].get("annotations") or {}

    @property
    def departed(self) -> bool:
        """Whether it exists no more, and is known only until what it caused is taken back."""
        return bool(self.key.uid)

    @property
    def intent(self) -> tuple[object, ...]:
        """What somebody asks for with it: what is done for it is begun anew when that changes."""
        return intent(self.body)

    @property
    def named(self) -> Named:
        """The instances and users that it names, by what it declares and what is recorded."""
        return named_by(self.key, self.spec, self.status, (self.instance, declared_instance(self.body)))

    @property
    def told(self) -> bool:
        """Whether its status ever said how it stands."""
        return bool(self.status.get("conditions"))

    @property
    def ready(self) -> bool:
        """Whether its Ready condition is True for the generation seen."""
        return self.status.get("observedGeneration") == self.generation and any(
            c.get("type") == "Ready" and c.get("status") == "True" for c in self.status.get("conditions", ())
        )


class News(Enum):
    """What a body tells that was not known."""

    NOTHING = "nothing but its status"
    NEW = "an object"
    HELD = "its finalizer"
    EDITED = "another intent"


class Registry:
    """Objects by key, those too that exist no more and hold something still. Belongs to one event loop; never blocks.

    An object has one end: what is told of it later, by a watch, a list or a call that took long, is not believed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[str, dict[Key, Live]] = {kind.name: {} for kind in KINDS}
        self._references = References()
        self._departed: dict[Key, Key] = {}
        """With the keys that others knew them by."""
        self._ended: dict[str, float] = {}
        self.listed = False

    def put(self, key: Key, body: Mapping[str, Any]) -> News:
        """Remember the object as shown, unless it has ended or was seen younger; what is new about it."""
        before = self.get(key)
        if self.has_ended(_uid(body)):
            return News.NOTHING
        if before is not None and 0 < _version(body) <= before.version:
            return News.NOTHING
        live = Live.of(key, body, _read(key, body, before))
        self._keep(live)
        return News.NEW if before is None else _news(before, live)

    def renew(self, key: Key, body: Mapping[str, Any]) -> bool:
        """Remember what was read or stored of a known object; whether it is known still, for it may have ended."""
        known = self.get(key)
        if known is None or known.uid != _uid(body):
            return False
        self.put(key, body)
        return True

    def former(self, key: Key, body: Mapping[str, Any]) -> Live | None:
        """The object that had this name before the one shown, whose end no watch showed."""
        known = self.get(key)
        if known is None or known.uid == _uid(body) or _version(body) < known.version:
            return None
        return known

    def end(self, key: Key, uid: str) -> None:
        """The object exists no more, and nothing of it is left; another of its name may."""
        known = self.get(key)
        if known is not None and known.uid == uid:
            self._references.replace(key, known.named, Named())
            del self._kinds[key.kind][key]
            self._departed.pop(key, None)
        now = self._clock()
        self._ended.pop(uid, None)
        self._ended[uid] = now
        while now - next(iter(self._ended.values())) > ENDED_SECONDS:
            del self._ended[next(iter(self._ended))]

    def has_ended(self, uid: str) -> bool:
        """Whether the end of that object was seen."""
        return uid in self._ended

    def depart(self, live: Live, status: Mapping[str, Any]) -> Key:
        """Remember an object that has ended as one that is being deleted, with this status; its key."""
        self.end(live.key, live.uid)
        key = live.key._replace(uid=live.uid)
        metadata = {"deletionTimestamp": "", **live.body["metadata"], "finalizers": [FINALIZER]}
        self._keep(Live.of(key, {**live.body, "metadata": metadata, "status": status}, live.spec))
        self._departed[key] = key._replace(uid="")
        return key

    def get(self, key: Key) -> Live | None:
        """The object as last seen."""
        return self._kinds[key.kind].get(key)

    def of_kind(self, kind: str) -> tuple[Live, ...]:
        """All objects of a kind, in no order that means anything."""
        return tuple(self._kinds[kind].values())

    def instance(self, name: str) -> Live | None:
        """The CloudSQLInstance of that name."""
        return self.get(Key(INSTANCE.name, "", name))

    def user(self, namespace: str, name: str) -> Live | None:
        """The CloudSQLIAMUser of that name."""
        return self.get(Key(USER.name, namespace, name))

    def naming(self, instance: str) -> Iterator[Live]:
        """Users and grants that were admitted on the instance, or that name it; readable or not."""
        return (live for kind in (USER, GRANT) for live in self._on(kind.name, instance) if live.instance == instance)

    def recorded_at(self, kind: str, place: str) -> list[Live]:
        """Objects of the kind that record something in a project, an instance by connection name, or a `user_place`."""
        return [self._kinds[kind][key] for key in self._references.at(kind, place)]

    def users_of(self, instance: str) -> Iterator[tuple[Live, CloudSQLIAMUser]]:
        """Readable users that name the instance."""
        for live in self._on(USER.name, instance):
            if isinstance(live.spec, CloudSQLIAMUser) and live.spec.instance == instance:
                yield live, live.spec

    def grants_to(self, user: Key) -> Iterator[tuple[Live, DatabaseGrant]]:
        """Readable grants of which the user is a grantee."""
        for live in self._to(user):
            if isinstance(live.spec, DatabaseGrant) and UserRef(user.name) in live.spec.grantees:
                yield live, live.spec

    def holding_for(self, user: Key) -> Iterator[Live]:
        """Grants that record something given to the user, whatever their specs say now."""
        return (live for live in self._to(user) if user.name in held_by(live.status))

    def dependents(self, key: Key) -> tuple[Key, ...]:
        """Keys whose standing may change when this object's does."""
        if key.kind == INSTANCE.name:
            return tuple(live.key for live in self.naming(key.name))
        if key.kind == USER.name:
            return self._references.to(key._replace(uid=""))
        live = self.get(key)
        users = users_in(key, live.spec) if live else frozenset()
        departed = (one for one, known_as in self._departed.items() if known_as in users) if users else ()
        return tuple(one for one in (*users, *departed) if (known := self.get(one)) is not None and known.deleting)

    def _keep(self, live: Live) -> None:
        before = self.get(live.key)
        self._kinds[live.key.kind][live.key] = live
        self._references.replace(live.key, before.named if before else Named(), live.named)

    def _on(self, kind: str, instance: str) -> list[Live]:
        return [self._kinds[kind][key] for key in self._references.on(kind, instance)]

    def _to(self, user: Key) -> list[Live]:
        return [self._kinds[GRANT.name][key] for key in self._references.to(user._replace(uid=""))]


def _read(key: Key, body: Mapping[str, Any], before: Live | None) -> Parsed | InvalidObject:
    """What the body says; while its generation is the same, it says what it did before."""
    if before is None or isinstance(before.spec, InvalidObject) or not _says_the_same(body, before):
        return parse(key, body)
    return parse_again(before.spec, body)


def _says_the_same(body: Mapping[str, Any], before: Live) -> bool:
    return before.generation > 0 and (_uid(body), body["metadata"].get("generation")) == (before.uid, before.generation)


def _news(before: Live, now: Live) -> News:
    if before.intent != now.intent:
        return News.EDITED
    return News.NOTHING if before.held == now.held else News.HELD


def _uid(body: Mapping[str, Any]) -> str:
    return str(body["metadata"]["uid"])


def _version(body: Mapping[str, Any]) -> int:
    return int(body["metadata"].get("resourceVersion") or 0)


def _has_say(status: Mapping[str, Any]) -> bool:
    conditions = status.get("conditions") or ()
    let_in = any(one.get("type") == _ALLOWED and one.get("status") == "True" for one in conditions)
    return let_in or bool(status.get("applied"))
