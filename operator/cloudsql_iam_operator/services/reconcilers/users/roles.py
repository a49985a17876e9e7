"""Database roles of users: given, given back when somebody takes them, and taken back when they are not declared."""

from dataclasses import replace

from cloudsql_iam_operator.adapters.postgres.owning.memberships import roles_of
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.user import CloudSQLIAMUser
from cloudsql_iam_operator.core.access.roles import listed_roles
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.decided.resolution import Problem
from cloudsql_iam_operator.core.grants.desired.entries import Entries
from cloudsql_iam_operator.core.reasons import Reason, Standing
from cloudsql_iam_operator.core.users.plan import GrantRoles, LeaveRoles
from cloudsql_iam_operator.core.users.roles import (
    BY_THE_API,
    entries_for,
    ledger_for,
    rest_for_the_api,
    roles_in,
)
from cloudsql_iam_operator.services.lanes.gone_database import MAINTENANCE
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from cloudsql_iam_operator.services.reconcilers.grant_status import worst
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.reconcilers.users.visit import Declared, Visit
from cloudsql_iam_operator.services.runtime.claims import others_of
from cloudsql_iam_operator.services.runtime.reports import max_age

AGAIN_SECONDS = 10.0
"""How often to look whether others that declare the user have let go of roles that this one does not declare."""


class DatabaseRoles:
    """Brings memberships of users to what they declare; memberships are read from pg_auth_members."""

    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    def concern(self, visit: Visit, spec: CloudSQLIAMUser) -> bool:
        """Whether there is anything to do about the user's roles."""
        return bool(spec.database_roles or visit.record.roles or self._of_others(visit))

    async def settle(self, visit: Visit, declared: Declared) -> None:
        """Give what is declared and not held, and take back what was given here and is declared no more.

        Who has the user has what others that declare it gave to it, too: recorded here before they let go of it.

        Raises:
            Failure: a role does not exist, may not be given, or cannot be taken back.
        """
        wanted, of_others = frozenset(declared.spec.database_roles), self._of_others(visit)
        await self._record(visit, visit.record.roles | of_others)
        if left := of_others - wanted:
            visit.interval = min(visit.interval, AGAIN_SECONDS)
        # an administrator could grant itself whatever the database lane would refuse it
        through_api = wanted if wanted & BY_THE_API else frozenset()
        if through_api or visit.record.roles - wanted - left:
            await self._by_the_api(visit, declared.instance, wanted | left, through_api)
        if not through_api:
            await self._by_sql(visit, declared, wanted, left)

    async def take(self, visit: Visit, instance: CloudSQLInstance, roles: frozenset[str]) -> None:
        """Take back these recorded roles, and leave the others.

        Raises:
            Failure: some could not be taken back.
        """
        kept = visit.record.roles - roles
        await self._by_the_api(visit, instance, kept, frozenset())
        if left := visit.record.roles - kept:
            held = ledger_for(visit.record.username, kept)
            ledger = ledger_for(visit.record.username, visit.record.roles)
            answer = await self._applied(visit, instance, GrantWant(Entries(), ledger, held=held))
            self._note(visit, answer, frozenset())
            if left & visit.record.roles:
                _raise(answer.problems or (Problem(Reason.REVOKE_BLOCKED, f"{_named(left)} could not be taken back"),))

    async def _by_sql(self, visit: Visit, declared: Declared, wanted: frozenset[str], left: frozenset[str]) -> None:
        """Bring the memberships about by SQL, but for those that are left as they are."""
        username, recorded = visit.record.username, visit.record.roles
        if not wanted and not recorded - left:
            return
        rule = next(rule for rule in declared.instance.access if rule.name == declared.allowed.rule)
        want = GrantWant(
            entries_for(username, wanted),
            ledger_for(username, recorded),
            dry=True,
            held=ledger_for(username, left),
            listed=listed_roles(rule),
        )
        seen = done = await self._applied(visit, declared.instance, want)
        found, given = roles_in(seen.found), recorded
        if seen.planned:
            given = recorded | (seen.joins - found)  # what others gave is in neither
            await self._record(visit, given)
            ours = entries_for(username, wanted & given)  # nothing is given that is not on record
            want = replace(want, entries=ours, dry=False, ledger=ledger_for(username, given))
            done = await self._applied(visit, declared.instance, want)
        self._note(visit, done, found, recorded)
        if problems := done.problems or seen.problems:
            _raise(problems)
        # the rest is not held, or others gave it
        visit.record = replace(visit.record, roles=visit.record.roles & given & (wanted | left))

    def _note(
        self, visit: Visit, answer: GrantAnswer, found: frozenset[str], before: frozenset[str] = frozenset()
    ) -> None:
        if answer.granted:
            again = answer.drift.privileges > 0
            told = _named(roles_in(answer.ledger) - (frozenset() if again else before))
            visit.layers.changed("DriftCorrected" if again else "Granted", f"gave {visit.record.username} {told}")
        if answer.revoked:
            gone = visit.record.roles - roles_in(answer.ledger)
            visit.layers.changed("Revoked", f"took {_named(gone)} from {visit.record.username}")
        visit.record = replace(visit.record, roles=roles_in(answer.ledger) - found)

    async def _by_the_api(
        self, visit: Visit, instance: CloudSQLInstance, wanted: frozenset[str], given: frozenset[str]
    ) -> None:
        """Give these through the API, and take what came through it and is not wanted, by telling all that stays.

        Where the API takes anything, or gives, all is taken through it, also what SQL gave: it grants anew what stays.
        """
        held, recorded = await self._held(visit, instance), visit.record.roles
        lane = await self._systems.users_lane(instance)
        user = visit.record.username, visit.want.type
        if missing := given - held.keys():
            await self._record(visit, recorded | missing)
            await lane.make(visit.live.key, GrantRoles(*user, missing))
            visit.layers.changed("DriftCorrected" if missing & recorded else "Granted", self._gave(visit, missing))
        due = recorded - wanted
        taken = due if given or any(held.get(role) or role in BY_THE_API for role in due) else frozenset()
        if taken & held.keys():
            rest = rest_for_the_api(visit.record.username, held.keys() | missing, taken)
            await lane.make(visit.live.key, LeaveRoles(*user, frozenset(rest)))
            visit.layers.changed("Revoked", f"took {_named(taken)} from {visit.record.username}")
        visit.record = replace(visit.record, roles=visit.record.roles - taken)

    @staticmethod
    def _gave(visit: Visit, roles: frozenset[str]) -> str:
        return f"gave {visit.record.username} {_named(roles)}"

    def _of_others(self, visit: Visit) -> frozenset[str]:
        """Roles that other objects record as given to the same user."""
        others = others_of(self._systems.registry, visit.live, visit.record)
        return frozenset(role for _, other in others for role in other.roles)

    async def _held(self, visit: Visit, instance: CloudSQLInstance) -> dict[str, bool]:
        return await self._systems.in_session(instance, MAINTENANCE, roles_of, visit.record.username)

    async def _applied(self, visit: Visit, instance: CloudSQLInstance, want: GrantWant) -> GrantAnswer:
        lane = await self._systems.database_lane(instance, MAINTENANCE)
        return await lane.apply(visit.live.key, want, max_age=max_age(visit.live, visit.interval))

    async def _record(self, visit: Visit, roles: frozenset[str]) -> None:
        """Store what is about to be given, so that it is known for ours whatever becomes of this process."""
        if roles != visit.record.roles:
            visit.record = replace(visit.record, roles=roles)
            await self._systems.remember(visit.live, visit.record.fields())


def _named(roles: frozenset[str]) -> str:
    return f"role {', '.join(sorted(roles))}" if len(roles) == 1 else f"roles {', '.join(sorted(roles))}"


def _raise(problems: tuple[Problem, ...]) -> None:
    found = worst(problems)
    assert found is not None
    reason, text = found
    raise Refused(reason, text) if reason.standing is Standing.STALLED else NotYet(reason, text)
