"""One reconcile of one CloudSQLIAMUser, and what its parts know of it."""

from dataclasses import dataclass

from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.user import CloudSQLIAMUser
from cloudsql_iam_operator.core.access.own_accounts import OwnAccounts
from cloudsql_iam_operator.core.access.rules import Allowed
from cloudsql_iam_operator.core.iam.bindings import BindingRef
from cloudsql_iam_operator.core.users.plan import UserWant
from cloudsql_iam_operator.core.users.principals import ResolvedPrincipal, UserType
from cloudsql_iam_operator.core.users.record import UserRecord
from cloudsql_iam_operator.core.users.roles import BY_THE_API
from cloudsql_iam_operator.services.reconcilers.layers import Layers
from cloudsql_iam_operator.services.reconcilers.systems import now
from cloudsql_iam_operator.services.runtime.claims import claim_of
from cloudsql_iam_operator.services.runtime.registry import Live
from cloudsql_iam_operator.services.runtime.reports import Report

_NO_ROLES: frozenset[str] = frozenset()


@dataclass(slots=True)
class Visit:
    """One reconcile of one user: what was found so far, and what the status will remember.

    `due` are bindings whose title tells them to be ours, to be recorded together with the database user. `own` are the
    operator's own accounts, None as long as nobody asked.
    """

    live: Live
    layers: Layers
    record: UserRecord
    interval: float = 300.0
    drift: tuple[str, ...] = ()
    due: frozenset[BindingRef] = frozenset()
    own: OwnAccounts | None = None

    @property
    def ended(self) -> bool:
        """Whether the end that was admitted has come."""
        return self.record.admission.ended(now())

    def report(self) -> Report:
        """What the reconcile found."""
        drift = {"drift": list(self.drift)} if self.drift else {}
        return self.layers.report({**self.record.fields(), **drift}, self.interval)

    @property
    def want(self) -> UserWant:
        """The recorded user, as the users lane is asked about it."""
        claim = claim_of(self.live, self.record, ended=self.record.yields(now()))
        return UserWant(claim, UserType(self.record.user_type), ownership=self.record.ownership)

    @property
    def made_with(self) -> frozenset[str]:
        """Database roles that the user is made with: what only the Admin API can give."""
        spec = self.live.spec
        asked = frozenset(spec.database_roles) & BY_THE_API if isinstance(spec, CloudSQLIAMUser) else None
        return asked or _NO_ROLES


@dataclass(frozen=True, slots=True)
class Declared:
    """A user that is let in: its object, its instance, its names, and by which rule."""

    spec: CloudSQLIAMUser
    instance: CloudSQLInstance
    who: ResolvedPrincipal
    allowed: Allowed
