"""OpenID Connect tokens that Google signs for service accounts.

Source: "Verifying instance identity"; IAM Service Account Credentials API, generateIdToken
"""

from cloudsql_emulator.clock import Clock
from cloudsql_emulator.credentials.keys import GOOGLE, KeyRing
from cloudsql_emulator.iam.directory import Account

SECONDS = 3600


def id_token(keys: KeyRing, clock: Clock, account: Account, audience: str, *, with_email: bool) -> str:
    """A token that proves an account to an audience for an hour."""
    now = int(clock.now().timestamp())
    claims = {"iss": GOOGLE, "aud": audience, "azp": account.uid, "sub": account.uid, "iat": now, "exp": now + SECONDS}
    email = {"email": account.email, "email_verified": True} if with_email else {}
    return keys.managed(GOOGLE).token({**claims, **email})
