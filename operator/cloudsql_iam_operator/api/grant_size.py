"""How much a DatabaseGrant declares: lists multiply, and each product costs time, memory and room in the status."""

from cloudsql_iam_operator.api.grant import DatabaseGrant

MOST_TARGETS = 1_000_000
"""Targets of one grant: some 10 s of its database's pass and 100 MiB; records are by lists, so these stay small."""

_OF_PRESET = 6
"""Entries that a preset stands for in each schema, at most."""


def targets(spec: DatabaseGrant) -> int:
    """Pairs of a grantee and a thing that the spec names; a `*` is one thing, whatever it will find.

    For each entry that is grantees × schemas × names (what `except` leaves out counts too) × columns.
    """
    granted = sum(
        _some(e.schemas) * (_some(e.names) + len(e.excluded)) * _some(e.columns) for e in spec.grants
    ) + _OF_PRESET * len(spec.schemas)
    future = sum(_some(e.owners) for e in spec.future)
    public = sum(_some(e.schemas) * _some(e.names) for e in spec.public)
    return len(spec.grantees) * (granted + future + len(spec.memberships)) + public


def _some(listed: tuple[str, ...]) -> int:
    return max(1, len(listed))
