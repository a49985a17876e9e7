"""What a pod's annotations ask for together, and that nothing of our domain is ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsql_iam_operator.api.injection.access import INJECT, Inject, Way
from cloudsql_iam_operator.api.injection.annotation import Wishes
from cloudsql_iam_operator.api.injection.application import ENV, PORT, Environment
from cloudsql_iam_operator.api.injection.sidecar import CPU_LIMIT, CPU_REQUEST, MEMORY_LIMIT
from cloudsql_iam_operator.api.injection.table import OF_THE_PROXY, READ, STATUS
from cloudsql_iam_operator.api.injection.wishes import parse_wishes, users_named
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from support.annotationvalues import GOOD

D = "iam.cloudsql.dev/"


def ours(**values: str) -> dict[str, str]:
    return {D + name.replace("_", "-"): value for name, value in values.items()}


def refusal(given: dict[str, str], namespace: dict[str, str] | None = None) -> str:
    with pytest.raises(InvalidObject) as refused:
        parse_wishes(given, namespace or {})
    return str(refused.value)


def wished(given: dict[str, str], namespace: dict[str, str] | None = None) -> Wishes:
    wishes = parse_wishes(given, namespace or {})
    assert wishes is not None
    return wishes


@pytest.mark.parametrize("given", [None, {}, {"example.com/inject": "true"}, ours(status="{}"), ours(inject="false")])
def test_no_wish_is_no_injection(given: dict[str, str] | None) -> None:
    assert parse_wishes(given) is None


def test_a_name_alone_leaves_everything_else_at_its_default() -> None:
    wishes = wished(ours(inject="checkout"))

    assert wishes[INJECT] == Inject(Way.SIDECAR, "checkout")
    assert users_named(wishes) == ("checkout",)
    assert {str(name): wishes[one] for name, one in READ.items() if name != INJECT} == {
        str(name): one.default for name, one in READ.items() if name != INJECT
    }


@pytest.mark.parametrize("name", sorted(set(READ) - {INJECT, *OF_THE_PROXY}))
def test_every_annotation_is_read_beside_inject(name: str) -> None:
    value, meaning = GOOD[name.removeprefix(D)][0]
    beside = {D + "impersonate": "a@p.iam.gserviceaccount.com"} if name.endswith("delegates") else {}

    assert wished(ours(inject="true") | beside | {name: f" {value}\n"})[READ[name]] == meaning


def test_users_are_named_in_one_place() -> None:
    assert users_named(wished(ours(inject="true", user="b,a"))) == ("b", "a")
    assert users_named(wished(ours(inject="a", user="a"))) == ("a",)
    assert refusal(ours(inject="checkout", user="billing")) == (
        f"{D}user: names billing, but {D}inject names checkout; set {D}inject to true, or drop one"
    )


def test_a_wish_without_inject_is_refused() -> None:
    assert refusal(ours(port="5432")).startswith(f"{D}port: does nothing without {D}inject")


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("injct", "inject"), ("Inject", "inject"), ("containres", "containers"), ("instnaces", "instances")],
)
def test_a_typo_is_refused_with_the_name_that_was_meant(typo: str, meant: str) -> None:
    assert refusal({D + typo: "x"}) == f"{D}{typo}: no such annotation; did you mean {D}{meant}?"


def test_a_name_like_none_is_refused_with_all_there_are() -> None:
    assert refusal(ours(zzz="x")).startswith(f"{D}zzz: no such annotation; there are {D}admin-port, ")


def test_a_typo_is_refused_when_injection_is_off_too() -> None:
    assert "no such annotation" in refusal(ours(inject="false", prot="5432"))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"memory_request": "1Gi", "memory_limit": "256Mi"}, "memory-request: is '1Gi', more than the limit '256Mi'"),
        ({"cpu_request": "2", "cpu_limit": "1"}, "cpu-request: is '2', more than the limit '1'"),
        ({"impersonate_delegates": "a@p.iam.gserviceaccount.com"}, f"impersonate-delegates: does nothing without {D}"),
        ({"port": "5433", "unix_socket": "/run/sql"}, f"port: does nothing beside {D}unix-socket"),
        ({"env": "url", "env_prefix": "A_"}, f"env-prefix: does nothing with {D}env: url"),
    ],
)
def test_values_that_contradict_each_other_are_refused(values: dict[str, str], told: str) -> None:
    assert refusal(ours(inject="checkout", **values)).startswith(D + told)


@pytest.mark.parametrize("name", sorted(OF_THE_PROXY))
def test_what_is_about_the_proxy_is_refused_where_there_is_none(name: str) -> None:
    value, _ = GOOD[name.removeprefix(D)][0]

    assert "is about the proxy" in refusal(ours(inject="env", user="checkout") | {name: value})


def test_a_namespace_sets_defaults_that_a_pod_overrides() -> None:
    namespace = ours(cpu_limit="1", memory_limit="1Gi", env="url")

    wishes = wished(ours(inject="checkout", memory_limit="2Gi"), namespace)

    assert (wishes[CPU_LIMIT], wishes[MEMORY_LIMIT], wishes[ENV]) == ("1", "2Gi", Environment.URL)


def test_a_namespace_sets_nothing_else_and_is_told_so() -> None:
    wishes = wished(ours(inject="checkout"), ours(user="admin", port="6000", cpu_request="1") | {"x/y": "z"})

    assert (wishes[PORT], wishes[CPU_REQUEST], users_named(wishes)) == (None, "1", ("checkout",))
    assert wishes.ignored == (f"{D}port", f"{D}user")


def test_a_namespace_asks_for_no_injection() -> None:
    assert parse_wishes({}, ours(inject="checkout")) is None


@pytest.mark.parametrize("given", [{"cpu_request": "100m"}, {"inject": "env"}])
def test_a_default_that_cannot_be_meant_hurts_no_pod_that_has_no_need_of_it(given: dict[str, str]) -> None:
    wishes = wished(ours(**{"inject": "checkout", **given}), ours(cpu_request="64mb", memory_limit="1Gi"))

    (problem,) = wishes.unread
    assert problem.startswith(f"{D}cpu-request: is '64mb'; write a quantity")


def test_a_default_that_cannot_be_meant_hurts_no_pod_that_opts_out() -> None:
    assert parse_wishes(ours(inject="false"), ours(cpu_request="64mb")) is None


def test_defaults_that_go_against_one_another_name_the_namespace() -> None:
    told = refusal(ours(inject="checkout"), ours(cpu_request="2", cpu_limit="1"))

    assert told == f"{D}cpu-request of the Namespace: is '2', more than the limit '1'"


def test_a_default_that_cannot_be_meant_names_the_namespace() -> None:
    told = refusal(ours(inject="checkout"), ours(cpu_request="64mb"))

    assert told.startswith(f"{D}cpu-request of the Namespace: is '64mb'; write a quantity")


@given(st.dictionaries(st.sampled_from([*READ, STATUS, D, "x/y"]), st.text(max_size=20)))
def test_any_values_are_read_or_refused_by_a_name_of_ours(given: dict[str, str]) -> None:
    try:
        parse_wishes(given)
    except InvalidObject as refused:
        assert refused.field.startswith(D)  # noqa: PT017 - what is refused and what is read are both right
    else:
        assert D not in given
