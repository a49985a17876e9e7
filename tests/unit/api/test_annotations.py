"""Pod annotations: what they mean, and that nothing of our domain is ignored."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsql_iam_operator.api import annotations
from cloudsql_iam_operator.api.annotations import Injection, parse_injection
from cloudsql_iam_operator.api.parsing.annotation_values import Containers, Resources, exceeds, is_zero, quantity
from cloudsql_iam_operator.api.parsing.fields import InvalidObject

D = "iam.cloudsql.dev/"


def ours(**values: str) -> dict[str, str]:
    return {D + name.replace("_", "-"): value for name, value in values.items()}


def wished(**values: str) -> Injection:
    injection = parse_injection(ours(inject="checkout", **values))
    assert injection is not None
    return injection


def refusal(given: dict[str, str]) -> str:
    with pytest.raises(InvalidObject) as refused:
        parse_injection(given)
    return str(refused.value)


@pytest.mark.parametrize("given", [None, {}, {"example.com/inject": "true"}, ours(status="{}"), ours(inject="false")])
def test_no_wish_is_no_injection(given: dict[str, str] | None) -> None:
    assert parse_injection(given) is None


def test_a_name_alone_leaves_everything_else_unsaid() -> None:
    injection = parse_injection(ours(inject="checkout"))

    assert injection == Injection(
        user="checkout",
        database="",
        port=None,
        containers=Containers(every=True),
        image="",
        resources=Resources(),
        status="",
    )


def test_everything_that_can_be_said_is_read() -> None:
    injection = wished(
        database="orders",
        port=" 6543 ",
        containers="web, worker",
        image="registry.example.com:5000/proxy:2.27.0",
        cpu_request="50m",
        memory_request="64Mi",
        cpu_limit="0",
        memory_limit="256Mi",
        status="{}",
    )

    assert injection == Injection(
        user="checkout",
        database="orders",
        port=6543,
        containers=Containers(every=False, names=("web", "worker")),
        image="registry.example.com:5000/proxy:2.27.0",
        resources=Resources("50m", "64Mi", "0", "256Mi"),
        status="{}",
    )


@pytest.mark.parametrize("value", ["true", "True", "TRUE", " true ", "yes", "on"])
def test_true_has_several_spellings(value: str) -> None:
    injection = parse_injection(ours(inject=value, user="checkout"))

    assert injection is not None
    assert injection.user == "checkout"


@pytest.mark.parametrize("value", ["false", "False", "no", "off"])
def test_false_has_several_spellings(value: str) -> None:
    assert parse_injection(ours(inject=value, user="checkout")) is None


@pytest.mark.parametrize("value", ["", "1", "0", "checkout!", "orders/checkout", "Checkout", "a\nb"])
def test_other_words_are_refused_with_the_allowed_values(value: str) -> None:
    told = refusal(ours(inject=value))

    assert told.startswith(f"{D}inject: is {value!a}; it may be")


def test_without_a_name_the_user_is_to_be_found() -> None:
    injection = parse_injection(ours(inject="true"))

    assert injection is not None
    assert injection.user == ""


def test_two_names_that_differ_are_refused() -> None:
    told = refusal(ours(inject="checkout", user="billing"))

    assert told == f"{D}user: names billing, but {D}inject names checkout; name the user in one place"


@pytest.mark.parametrize(
    ("value", "why"), [("a,b", "several users"), ("orders/checkout", "own namespace"), ("A", "name")]
)
def test_a_user_is_one_name_of_the_pods_namespace(value: str, why: str) -> None:
    assert why in refusal(ours(inject="true", user=value))


def test_a_wish_without_inject_is_refused() -> None:
    assert refusal(ours(port="5432")).startswith(f"{D}port: does nothing without {D}inject")


@pytest.mark.parametrize("name", annotations.LATER)
def test_a_name_without_behaviour_is_refused(name: str) -> None:
    told = refusal(ours(inject="checkout") | {name: "true"})

    assert told.startswith(f"{name}: has no behaviour yet")


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("injct", "inject"), ("Inject", "inject"), ("containres", "containers"), ("instnaces", "instances")],
)
def test_a_typo_is_refused_with_the_name_that_was_meant(typo: str, meant: str) -> None:
    assert refusal({D + typo: "x"}) == f"{D}{typo}: no such annotation; did you mean {D}{meant}?"


def test_a_typo_is_refused_when_injection_is_off_too() -> None:
    assert "no such annotation" in refusal(ours(inject="false", prot="5432"))


@pytest.mark.parametrize("value", ["0", "70000", "abc", "5432.0", "", "-1", "٥٤٣٢"])
def test_a_port_that_is_none_is_refused(value: str) -> None:
    assert refusal(ours(inject="checkout", port=value)) == f"{D}port: is {value!a}; write a port from 1 to 65535"


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("*", Containers(every=True)),
        ("*,!metrics", Containers(every=True, excluded=("metrics",))),
        ("!metrics", Containers(every=True, excluded=("metrics",))),
        ("web", Containers(every=False, names=("web",))),
    ],
)
def test_containers_are_named_or_left_out(value: str, meaning: Containers) -> None:
    assert wished(containers=value).containers == meaning


@pytest.mark.parametrize("value", ["", "web,", "web,*", "web,!metrics", "Web", "!"])
def test_container_lists_that_contradict_themselves_are_refused(value: str) -> None:
    assert refusal(ours(inject="checkout", containers=value)).startswith(f"{D}containers: is {value!a}")


@pytest.mark.parametrize("value", ["", "proxy:", "Proxy", "registry/ proxy", "proxy@sha256:12", "--token=x", "a\nb"])
def test_an_image_that_is_none_is_refused(value: str) -> None:
    assert refusal(ours(inject="checkout", image=value)).startswith(f"{D}image: is")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("50m", Decimal("0.05")),
        ("64Mi", Decimal(67108864)),
        ("1e3", Decimal(1000)),
        ("1E", Decimal(10) ** 18),
        ("0.5", Decimal("0.5")),
        (".5G", Decimal(500000000)),
        ("0", Decimal(0)),
        ("2k", Decimal(2000)),
        ("64mb", None),
        ("1K", None),
        ("-1", None),
        ("", None),
        ("1e3Mi", None),
    ],
)
def test_quantities_are_those_of_kubernetes(text: str, value: Decimal | None) -> None:
    assert quantity(text) == value


def test_a_request_above_its_limit_is_refused() -> None:
    told = refusal(ours(inject="checkout", memory_request="1Gi", memory_limit="256Mi"))

    assert told == f"{D}memory-request: is '1Gi', more than the limit '256Mi'"


def test_a_limit_of_zero_is_none() -> None:
    assert is_zero("0")
    assert not exceeds("4", "0")


@pytest.mark.parametrize("name", ["cpu-request", "memory-request", "cpu-limit", "memory-limit"])
def test_a_quantity_that_is_none_is_refused_by_name(name: str) -> None:
    assert refusal(ours(inject="checkout") | {D + name: "64mb"}).startswith(f"{D}{name}: is '64mb'; write a quantity")


@pytest.mark.parametrize("name", [*annotations.READ, annotations.STATUS])
def test_every_name_that_is_read_is_known(name: str) -> None:
    assert name.startswith(D)
    assert name not in annotations.LATER


@given(st.dictionaries(st.sampled_from([*annotations.READ, annotations.STATUS, D, "x/y"]), st.text(max_size=20)))
def test_any_values_are_read_or_refused_by_a_name_of_ours(given: dict[str, str]) -> None:
    try:
        parse_injection(given)
    except InvalidObject as refused:
        assert refused.field.startswith(D)  # noqa: PT017 - what is refused and what is read are both right
    else:
        assert D not in given
