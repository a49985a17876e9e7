"""A fault of one key is that key's: what cannot be decided for some keys is decided for all others."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger
from cloudsql_iam_operator.core.reasons import Reason

log = logging.getLogger(__name__)

T = TypeVar("T")
Wants = Mapping[Key, GrantWant]
Claims = Mapping[Key, Ledger]
Decide = Callable[[Wants, Claims], object]
"""Raises when it cannot decide on all of it; changes nothing."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Wants and claims that can be decided on; `faults` are what was raised for each of the other wants."""

    wants: Wants
    claims: Claims
    faults: Mapping[Key, Exception]


def sound(wants: Wants, claims: Claims, decide: Decide) -> Sound:
    """As much as can be decided on together. What a faulty want has on record is claimed for it, if that can be.

    Raises:
        Exception: nothing at all can be decided; the fault is not one of keys.
    """
    decide({}, {})
    faults: dict[Key, Exception] = {}
    kept = _grown([], sorted(wants), lambda keys: decide(_of(wants, keys), {}), faults)
    good = _of(wants, kept)
    records = {**claims, **{key: wants[key].ledger for key in faults if wants[key].ledger}}
    claimed = _grown([], sorted(records), lambda keys: decide(good, _of(records, keys)), {})
    return Sound(good, _of(records, claimed), faults)


def broken(place: str, key: Key, fault: Exception) -> NotYet:
    """The verdict on a key for which nothing can be decided, on the instance at `place`."""
    log.error("%s: deciding on %s failed", place, key, exc_info=fault)
    text = f"deciding what to grant failed with {type(fault).__name__}; what is in force stays, see the operator's log"
    return NotYet(Reason.INTERNAL_ERROR, text)


def _grown(
    kept: Sequence[Key], more: Sequence[Key], decide: Callable[[Sequence[Key]], object], faults: dict[Key, Exception]
) -> Sequence[Key]:
    """The keys that are kept, and as many more as can be decided on with them; found half by half."""
    if not more:
        return kept
    try:
        decide([*kept, *more])
    except Exception as fault:  # noqa: BLE001 - whatever it is, it is to stop one key and no other
        if len(more) == 1:
            faults[more[0]] = fault
            return kept
        middle = len(more) // 2
        return _grown(_grown(kept, more[:middle], decide, faults), more[middle:], decide, faults)
    return [*kept, *more]


def _of(every: Mapping[Key, T], keys: Iterable[Key]) -> dict[Key, T]:
    return {key: every[key] for key in keys}
