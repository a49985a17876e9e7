"""The catalog queries beside this module, read once."""

from functools import cache
from importlib.resources import files


@cache
def query(name: str) -> bytes:
    """The text of `sql/NAME.sql`."""
    return files("cloudsql_iam_operator.adapters.postgres").joinpath("sql", f"{name}.sql").read_bytes()
