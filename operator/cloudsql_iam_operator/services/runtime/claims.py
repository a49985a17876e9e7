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
from cloudsql_iam_operator.core.users.record import UserRecord
from cloudsql_iam_operator.services.runtime.objects import lays_claim
from cloudsql_iam_operator.services.runtime.references import user_place
from cloudsql_iam_operator.services.runtime.registry import Live, Registry


def claim_of(live: Live, record: UserRecord, *, ended: bool) -> UserClaim:
    """The claim that an object lays to the username of a record, which its status may not tell yet."""
    claim = live.claim
    if (claim.username, claim.member, claim.ended) == (record.username, record.member, ended):
        return claim
    return replace(claim, username=record.username, member=record.member, ended=ended)


def claims_on(registry: Registry, connection: ConnectionName) -> dict[Key, UserClaim]:
    """Claims to users of an instance, by whatever CloudSQLInstance: of live objects that are let in or own something.

    One that is being deleted or withdrawn claims nothing: what it has is for the next, or goes.
    """
    now = datetime.now(UTC)
    claimants = (live for live in _named(registry, str(connection)) if _claims(live))
    return {live.key: claim_of(live, live.record, ended=live.record.yields(now)) for live in claimants}


def recorded_on(registry: Registry, connection: ConnectionName) -> dict[str, dict[str, Ownership]]:
    """Users of an instance that statuses record as made or adopted, by whole name and member; objects may be going."""
    recorded: dict[str, dict[str, Ownership]] = {}
    for live in _named(registry, str(connection)):
        ownership, member = live.record.ownership, live.record.member
        if ownership is not Ownership.NONE:
            members = recorded.setdefault(live.claim.whole, {})
            if ownership is Ownership.CREATED or member not in members:
                members[member] = ownership
    return recorded


def heir_of(registry: Registry, live: Live, record: UserRecord) -> Live | None:
    """The other object whose user and bindings those of a record come to be; None when this one keeps or ends them."""
    now = datetime.now(UTC)
    lives = {one.uid: one for one, _ in others_of(registry, live, record) if _claims(one)}
    claims = [claim_of(one, record, ended=one.record.yields(now)) for one in lives.values()]
    if not live.deleting and not record.withdrawn:
        claims.append(claim_of(live, record, ended=record.yields(now)))
    winner = next(iter(winners_of(claims).values()), None)
    return lives.get(winner.uid) if winner is not None else None


def others_of(registry: Registry, live: Live, record: UserRecord) -> list[tuple[Live, UserRecord]]:
    """Other objects of the same principal on the same instance."""
    named = _named(registry, record.instance, record.username) if record.username else ()
    others = (one for one in named if one.uid != live.uid)
    return [(one, one.record) for one in others if folded(one.record.member) == folded(record.member)]


def _named(registry: Registry, connection: str, username: str = "") -> Iterator[Live]:
    place = user_place(connection, username) if username else connection
    return (live for live in registry.recorded_at(USER.name, place) if live.record.username)


def _claims(live: Live) -> bool:
    if live.deleting or live.record.withdrawn or not lays_claim(live):
        return False
    return not _only_observes(live) or live.record.owns_anything


def _only_observes(live: Live) -> bool:
    return isinstance(live.spec, CloudSQLIAMUser) and live.spec.mode is UserMode.OBSERVE
