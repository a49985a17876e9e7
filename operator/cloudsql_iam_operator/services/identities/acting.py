"""As whom the operator works on an instance, as the event loop asks it: in a thread until that is known."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.services.identities.google import Google, Identities
from cloudsql_iam_operator.services.runtime.threads import Threads

T = TypeVar("T")

GOOGLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Acting:
    """Questions to identities. An identity that knows its answers is asked at once, for every check asks several."""

    identities: Identities
    threads: Threads

    async def google(self, instance: CloudSQLInstance) -> Google:
        """The APIs as the identity that administers the instance.

        Raises:
            NotYet: this process has no Google credentials.
        """
        return await self.ask(instance, self.identities.of, instance)

    async def username(self, instance: CloudSQLInstance) -> str:
        """The database user that the operator logs in as by IAM.

        Raises:
            NotYet: it is no service account, or there is no token to learn that by.
        """
        return await self.ask(instance, self._username, instance)

    async def accounts(self, instance: CloudSQLInstance) -> tuple[str, ...]:
        """E-mail addresses of the service accounts that it is and that it acts through, as far as they are known.

        Raises:
            NotYet: a token would tell, and could not be had.
        """
        return await self.ask(instance, self._accounts, instance)

    async def ask(self, instance: CloudSQLInstance, question: Callable[..., T], *args: object) -> T:
        """What the question gives, which calls nobody once the instance's identity is known."""
        if self.identities.knows(instance):
            return question(*args)
        outside = self.threads.of(str(instance.connection))
        return await outside.call(question, *args, timeout=GOOGLE_SECONDS)

    def _username(self, instance: CloudSQLInstance) -> str:
        return self.identities.of(instance).username()

    def _accounts(self, instance: CloudSQLInstance) -> tuple[str, ...]:
        return self.identities.of(instance).identity.accounts()
