"""A text that names a server is never passed over."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsql_iam_operator.core.injection.application.strings import SCHEMES, may_name_servers, servers_named

PIECES = [
    *SCHEMES,
    "//",
    "u@",
    "db",
    ":5433",
    "/x",
    "?host=h",
    " host=h ",
    "hostaddr=::1",
    " dbname=x",
    "Host=h;",
    "Server=",
]
PIECES += ["Database=x", ";", "jdbc:", "ho", "st=", "x", "\n", "post", "gres"]


@settings(max_examples=1000)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), max_size=4))
def test_values_looked_at_together_hide_no_server(values: list[str]) -> None:
    named = any(list(servers_named(value)) for value in values)

    assert may_name_servers("\n".join(values)) or not named
