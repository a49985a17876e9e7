"""Who lays claim to database users: what statuses record of it, and who takes over from whom."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.api.names import USER, Key
from cloudsql_iam_operator.api.user import CloudSQLIAMUser, UserMode
from cloudsql_iam_operator.core.iam.bindings import folded
from cloudsql_iam_operator.core.users.claims import UserClaim, winners_of
from cloudsql_iam_operator.core.users.plan import Ownership
from cloudsql_iam_operator.core.users.record import UserRecord, record_in
from cloudsql_iam_operator.services.runtime.objects import lays_claim
from cloudsql_iam_operator.services.runtime.references import user_place
from cloudsql_iam_operator.services.runtime.registry import Live, Registry


def claim_of(live: Live, username: str, member: str) -> UserClaim:
    """The claim that an object lays to a username for a member."""
    created = datetime.fromisoformat(live.body["metadata"]["creationTimestamp"])
    ended = record_in(live.status).yields(datetime.now(UTC))
    return UserClaim(username, created, live.uid, str(live.key), member, live.key.namespace, ended)


def claims_on(registry: Registry, connection: ConnectionName) -> dict[Key, UserClaim]:
    """Claims to users of an instance, by whatever CloudSQLInstance: of live objects that are let in or own something.

    One that is being deleted or withdrawn claims nothing: what it has is for the next, or goes.
    """
    return {live.key: _recorded_claim(live) for live in _named(registry, str(connection)) if _claims(live)}


def recorded_on(registry: Registry, connection: ConnectionName) -> dict[str, dict[str, Ownership]]:
    """Users of an instance that statuses record as made or adopted, by whole name and member; objects may be going."""
    recorded: dict[str, dict[str, Ownership]] = {}
    for live in _named(registry, str(connection)):
        if live.status.get("created") or live.status.get("adopted"):
            claim, created = _recorded_claim(live), live.status.get("created")
            members = recorded.setdefault(claim.whole, {})
            if created or claim.member not in members:
                members[claim.member] = Ownership.CREATED if created else Ownership.ADOPTED
    return recorded


def heir_of(registry: Registry, live: Live, record: UserRecord) -> Live | None:
    """The other object whose user and bindings those of a record come to be; None when this one keeps or ends them."""
    lives = {one.uid: one for one, _ in others_of(registry, live, record) if _claims(one)}
    claims = [claim_of(one, record.username, record.member) for one in lives.values()]
    if not live.deleting and not record.withdrawn:
        ended = record.yields(datetime.now(UTC))  # its end may be declared and in no status yet
        claims.append(replace(claim_of(live, record.username, record.member), ended=ended))
    winner = next(iter(winners_of(claims).values()), None)
    return lives.get(winner.uid) if winner is not None else None


def others_of(registry: Registry, live: Live, record: UserRecord) -> list[tuple[Live, UserRecord]]:
    """Other objects of the same principal on the same instance."""
    named = _named(registry, record.instance, record.username) if record.username else ()
    pairs = ((one, record_in(one.status)) for one in named if one.uid != live.uid)
    return [(one, other) for one, other in pairs if folded(other.member) == folded(record.member)]


def _named(registry: Registry, connection: str, username: str = "") -> Iterator[Live]:
    place = user_place(connection, username) if username else connection
    return (live for live in registry.recorded_at(USER.name, place) if live.status.get("username"))


def _recorded_claim(live: Live) -> UserClaim:
    return claim_of(live, live.status["username"], live.status.get("member", ""))


def _claims(live: Live) -> bool:
    if live.deleting or live.status.get("withdrawn") or not lays_claim(live):
        return False
    return not _only_observes(live) or record_in(live.status).owns_anything


def _only_observes(live: Live) -> bool:
    return isinstance(live.spec, CloudSQLIAMUser) and live.spec.mode is UserMode.OBSERVE
