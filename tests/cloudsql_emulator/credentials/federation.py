"""Workload identity pools: providers outside of Google, whose tokens are exchanged for Google's own; no HTTP here.

Source: IAM, "Workload Identity Federation"; Security Token Service API v1, method token
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cloudsql_emulator.clock import Clock
from cloudsql_emulator.config import Provider
from cloudsql_emulator.credentials.keys import BadSignature, Claims, KeyRing
from cloudsql_emulator.iam.tokens import IssuedToken, TokenIssuer

LONGEST = dt.timedelta(hours=1)


class ExchangeRefused(Exception):
    """A token was not exchanged; `error` is OAuth's code, the message Google's description."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


@dataclass(frozen=True, slots=True)
class Federation:
    """The providers, by the names that audiences give them: `//iam.googleapis.com/projects/N/…/providers/ID`."""

    clock: Clock
    keys: KeyRing
    tokens: TokenIssuer
    providers: Mapping[str, Provider]

    def subject_token(self, audience: str, subject: str, lifetime: dt.timedelta = LONGEST) -> str:
        """A token as the provider itself would give it out.

        Raises:
            KeyError: there is no such provider.
        """
        provider = self.providers[audience]
        now = self.clock.now().timestamp()
        told = {"iss": provider.issuer, "sub": subject, "aud": self._expected(audience), "iat": int(now)}
        return self.keys.managed(provider.issuer).token({**told, "exp": int(now + lifetime.total_seconds())})

    def exchange(self, subject_token: str, audience: str, scopes: Iterable[str]) -> IssuedToken:
        """A token of Google's for the subject of a provider's token.

        Raises:
            ExchangeRefused: with Google's words, as far as they are known.
        """
        provider = self.providers.get(audience)
        if provider is None:
            raise ExchangeRefused(
                "invalid_target",
                'The target service indicated by the "audience" parameters is invalid. This might either be because '
                "the pool or provider is disabled or deleted or because it doesn't exist.",
            )
        claims = self._verified(subject_token, provider, audience)
        pool = audience.removeprefix("//").rpartition("/providers/")[0]
        return self.tokens.issue(f"principal://{pool}/subject/{claims['sub']}", scopes, LONGEST)

    def _verified(self, subject_token: str, provider: Provider, audience: str) -> Claims:
        try:
            claims = self.keys.claims(subject_token, provider.issuer)
        except BadSignature as error:
            # GUESS: the words
            raise ExchangeRefused("invalid_grant", "The given credential could not be verified.") from error
        if claims.get("iss") != provider.issuer:
            raise ExchangeRefused(
                "invalid_grant",
                f"The issuer in ID Token {claims.get('iss')} does not match the expected ones: {provider.issuer}",
            )
        if claims.get("aud") != self._expected(audience):
            told = f"The audience in ID Token [{claims.get('aud')}] does not match the expected audience."
            raise ExchangeRefused("invalid_grant", told)
        if claims.get("exp", 0) <= self.clock.now().timestamp():
            raise ExchangeRefused("invalid_grant", f"ID Token issued at {claims.get('iat')} is stale to sign-in.")
        return claims

    def _expected(self, audience: str) -> str:
        return self.providers[audience].audience or f"https:{audience}"


def providers(told: Iterable[Provider], numbers: Mapping[str, str]) -> dict[str, Provider]:
    """Providers by their full names; `numbers` are those of projects, by id."""
    return {
        f"//iam.googleapis.com/projects/{numbers[each.project]}/locations/global/workloadIdentityPools/{each.pool}"
        f"/providers/{each.name}": each
        for each in told
    }
