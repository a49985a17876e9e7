"""Most containers are looked at no further; none of those that run a proxy is among them."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsql_iam_operator.core.injection.manifest import parsed
from cloudsql_iam_operator.core.injection.neighbours.recognition import recognised
from cloudsql_iam_operator.core.injection.pod import Container
from support.podshapes import container, pod

INSTANCE = "acme-prod:europe-west1:orders"
URI = "projects/p/locations/l/clusters/c/instances/i"
PROGRAMS = ["cloud-sql-proxy", "/CLOUD-SQL-PROXY", "./cloud_sql_proxy", "alloydb-auth-proxy", "$(BIN)", "$BIN", "app"]
ARGUMENTS = [INSTANCE, URI, "$(WHERE)", "${WHERE}", f"-instances={INSTANCE}=tcp:0", "--port=5432", "-i", "wait", "run"]
LINES = ["exec $BIN $WHERE", f"cloud-sql-proxy {INSTANCE} & app", "$BIN -i ${WHERE}", "app", "timeout 5 $BIN $WHERE"]
WORDS = st.lists(st.sampled_from([*PROGRAMS, *ARGUMENTS, *LINES, "sh", "-c"]), max_size=5)
NAMES = ["BIN", "WHERE", "CSQL_PROXY_INSTANCE_CONNECTION_NAME", "ALLOYDB_PROXY_INSTANCE_URI_0", "CSQL_PROXY_PORT"]
ENV = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*PROGRAMS[:4], *ARGUMENTS, "", "5433"]), max_size=4)
IMAGES = st.sampled_from(["acme/shop:1", "mirror/cloud-sql-proxy:2", "Mirror/Gce-Proxy", "alpine"])


def first(**fields: Any) -> Container:
    return parsed(pod(container(**fields))).main[0]


@settings(max_examples=400)
@given(WORDS, WORDS, ENV, IMAGES)
def test_a_container_that_is_not_looked_at_runs_no_proxy(
    command: list[str], args: list[str], env: dict[str, str], image: str
) -> None:
    listed = [{"name": name, "value": value} for name, value in env.items()]

    plain = recognised(first(command=command, args=args, env=listed, image=image))
    # an empty list of instances says nothing, and makes every container worth a look
    looked = [*listed, {"name": "INSTANCES", "value": ""}]
    found = recognised(first(command=command, args=args, env=looked, image=image))

    assert [(one.kind, one.dialled) for one in plain] == [(one.kind, one.dialled) for one in found]
