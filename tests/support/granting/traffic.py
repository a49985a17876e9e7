"""What the operator said to a server, told apart: its known looks and settings, and everything else."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from cloudsql_emulator.cluster import statements_in
from support.granting.setting import Place

_FIXED = (
    r"begin isolation level repeatable read, read only",
    r"begin(?: isolation level read committed read write)?|commit|rollback",
    r"""(?:savepoint|release|rollback to) "_pg3_\d+\"""",
    r"select pg_catalog.set_config\('role', \$1, true\)",
)
"""Statements that frame a look or a transaction."""

_VALUE = re.compile(r"(%\(\w+\)s|%%)")


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment in a server's log."""

    place: Place
    position: int

    def said(self) -> list[str]:
        """Statements since then that are no known look, as they were sent; sorted."""
        # In ASCII: names may hold characters that Python takes for the end of a line.
        news = plain(self.place.cluster.log(self.position))
        ours = [one.sql for one in statements_in(news) if (one.user, one.database) == ("op", self.place.name)]
        assert ours, "the log shows nothing at all: is log_statement still all?"
        return sorted(text for text in ours if not is_known(text))


def mark(place: Place) -> Mark:
    """This moment."""
    return Mark(place, place.cluster.log_size())


def plain(text: str) -> str:
    """The text with everything that is not ASCII written as escapes; what differs still does."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def is_known(statement: str) -> bool:
    """Whether it is, to the last character, one of the queries beside the adapter, or what frames one."""
    return _known().fullmatch(statement.strip()) is not None


@cache
def _known() -> re.Pattern[str]:
    folder = files("cloudsql_iam_operator.adapters.postgres").joinpath("sql")
    looks = [_pattern(file.read_text()) for file in folder.iterdir() if file.name.endswith(".sql")]
    assert looks, "no query is beside the adapter"
    return re.compile("|".join([*looks, *(f"(?i:{fixed})" for fixed in _FIXED)]))


def _pattern(query: str) -> str:
    """A query with its values as the client numbers them."""
    parts = _VALUE.split(plain(query).strip())
    return "".join("%" if part == "%%" else r"\$\d+" if _VALUE.match(part) else re.escape(part) for part in parts)
