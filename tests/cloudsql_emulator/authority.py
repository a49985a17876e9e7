"""What the data plane of one instance asks of the rest of Google, answered from the model."""

from cloudsql_emulator.iam.access import Access
from cloudsql_emulator.iam.tokens import TokenIssuer
from cloudsql_emulator.instances.instance import Instance
from cloudsql_emulator.login import InstanceSettings, TokenPrincipal

LOGIN_PERMISSION = "cloudsql.instances.login"


class Authority:
    """A LoginAuthority over tokens, policies and users."""

    def __init__(self, instance: Instance, tokens: TokenIssuer, access: Access) -> None:
        self._instance = instance
        self._tokens = tokens
        self._access = access

    def token_principal(self, token: str) -> TokenPrincipal | None:
        """The owner of an access token; None when it is unknown or expired."""
        found = self._tokens.lookup(token)
        return TokenPrincipal(found.member, found.scopes) if found else None

    def may_login(self, principal: str) -> bool:
        """Whether the member holds cloudsql.instances.login on the instance, by the policies that act."""
        return self._access.holds(principal, LOGIN_PERMISSION, self._instance.resource)

    def username_of(self, principal: str) -> str:
        """The database user name that a member logs in as."""
        return self._instance.users.username_of(principal)

    async def first_login(self, principal: str) -> None:
        """Create the user of a member whose group is a user."""
        await self._instance.users.join_through_group(principal)

    def settings(self) -> InstanceSettings:
        """The settings in force."""
        return self._instance.in_force()
