"""Kubernetes quantities: what they stand for, and how they compare."""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.api.parsing.texts import shown

_SUFFIXES: Mapping[str, Decimal] = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{suffix: Decimal(1000) ** (power + 1) for power, suffix in enumerate("kMGTPE")},
    **{f"{suffix}i": Decimal(1024) ** (power + 1) for power, suffix in enumerate("KMGTPE")},
}
_QUANTITY = re.compile(
    r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:[eE]([+-]?[0-9]{1,2})|([numkMGTPE]|[KMGTPE]i)?)"
)


_LONGEST = 48
"""Characters of the longest text that the pattern lets through."""


def quantity(text: str) -> Decimal | None:
    """The number that a Kubernetes quantity (`64Mi`, `50m`, `1e3`) stands for; None for anything else."""
    return _read(text) if 0 < len(text) <= _LONGEST else None


@lru_cache(maxsize=1024)
def _read(text: str) -> Decimal | None:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    return Decimal(number) * (_SUFFIXES[suffix or ""] if exponent is None else Decimal(10) ** int(exponent))


def is_zero(text: str) -> bool:
    """Whether the quantity is zero, which for a limit means none."""
    return quantity(text) == 0


def exceeds(request: str, limit: str) -> bool:
    """Whether a request is above a limit, both quantities; a limit that is "" or zero is none."""
    wanted, most = quantity(request), quantity(limit)
    return wanted is not None and most is not None and most != 0 and wanted > most


def quantity_text(annotation: str, value: str) -> str:
    """A quantity, as written.

    Raises:
        InvalidObject: it is none.
    """
    if quantity(value) is None:
        raise InvalidObject(annotation, f"is {shown(value)}; write a quantity such as 50m, 0.5, 64Mi or 1G")
    return value
