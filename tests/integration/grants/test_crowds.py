"""As many grantees on one table as are let in, for real: the row takes them, and what is kept for others."""

from collections.abc import Sequence

import pytest

from support.granting.setting import Place
from support.granting.wording import table, want

PRIVILEGES = ("DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE")
ALIKE, UNLIKE, OTHERS = 2299, 1099, 100
"""As many as the operator lets in, less the owner's own entry; and as many more as others may still grant to."""


@pytest.fixture
def crowd(place: Place) -> Sequence[str]:
    """Roles enough to fill any row."""
    place.sql(f"do $$ begin for i in 1..{ALIKE + OTHERS} loop execute format('create role m%s', i); end loop; end $$")
    return [f"m{number}" for number in range(1, ALIKE + OTHERS + 1)]


def rest_granted_by_the_owner(place: Place, roles: Sequence[str]) -> None:
    place.sql(f"set role app_owner; grant select on app.orders to {', '.join(roles)}")


def cleared(place: Place, roles: Sequence[str]) -> None:
    names = ", ".join(roles)
    place.sql(f"set role app_owner; revoke all on app.orders from {names}; reset role; drop role {names}")


def test_a_row_takes_as_many_as_are_let_in_and_some_of_others_beside(place: Place, crowd: Sequence[str]) -> None:
    alike = place.answer(want(table("SELECT", to=tuple(sorted(crowd[:ALIKE])), names=("orders",))))
    assert alike.problems == ()
    rest_granted_by_the_owner(place, crowd[ALIKE:])
    place.sql("set role app_owner; revoke all on app.orders from " + ", ".join(crowd))

    sets = [tuple(p for bit, p in enumerate(PRIVILEGES) if n >> bit & 1) for n in range(1, 128)]
    by_set = [(sets[number], tuple(sorted(crowd[number:UNLIKE:127]))) for number in range(127)]
    unlike = place.answer(want(*(table(*privileges, to=to, names=("orders",)) for privileges, to in by_set)))
    assert unlike.problems == ()
    rest_granted_by_the_owner(place, crowd[UNLIKE : UNLIKE + OTHERS])

    cleared(place, crowd)
