"""Google's APIs as each instance's identity sees them, and what was lately seen of an instance."""

from dataclasses import dataclass

from cloudsql_iam_operator.adapters.google.client import Caller, Fence, Observer
from cloudsql_iam_operator.adapters.google.credentials import Identity, impersonated, own_identity
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints
from cloudsql_iam_operator.adapters.google.resource_manager import ResourceManager
from cloudsql_iam_operator.adapters.google.service_accounts import ServiceAccounts
from cloudsql_iam_operator.adapters.google.sqladmin import SQLAdmin
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.user import ServiceAccount
from cloudsql_iam_operator.core.users.principals import resolve


@dataclass(frozen=True, slots=True)
class Google:
    """The APIs as one identity calls them."""

    identity: Identity
    sqladmin: SQLAdmin
    resource_manager: ResourceManager
    service_accounts: ServiceAccounts

    def username(self) -> str:
        """The database user that this identity logs in as.

        Raises:
            NotYet: it is no service account's, or there is no token to learn that by.
        """
        return resolve(ServiceAccount(self.identity.email())).username


class Identities:
    """The APIs for each identity that some instance names. Making one may block: call from a thread."""

    def __init__(self, endpoints: Endpoints, fence: Fence, observer: Observer) -> None:
        self._endpoints = endpoints
        self._fence = fence
        self._observer = observer
        self._made: dict[str, Google] = {}

    def of(self, instance: CloudSQLInstance) -> Google:
        """The APIs as the identity that administers the instance.

        Raises:
            NotYet: this process has no Google credentials.
        """
        email = instance.admin.impersonate
        if email not in self._made:
            self._made[email] = self._make(email)
        return self._made[email]

    def knows(self, instance: CloudSQLInstance) -> bool:
        """Whether that identity is made and known, so that nothing about it takes a call. Never blocks."""
        made = self._made.get(instance.admin.impersonate)
        return made is not None and made.identity.is_known

    def _make(self, email: str) -> Google:
        identity = own_identity(self._endpoints)
        if email:
            identity = impersonated(identity, email, self._endpoints)
        caller = Caller(identity, self._fence, self._observer)
        return Google(
            identity,
            SQLAdmin(self._endpoints, caller),
            ResourceManager(self._endpoints, caller),
            ServiceAccounts(self._endpoints, caller),
        )
