"""Texts that make a backtracking matcher work, and the calls that meet texts of tenants: run as a program, it calls.

It runs in a process of its own, because nothing interrupts a regular expression: it holds Python's lock until its end.
"""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from cloudsql_iam_operator.api.injection.quantities import quantity
from cloudsql_iam_operator.api.injection.table import READ, STATUS
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.api.parsing.objects import parse_grant, parse_instance, parse_user
from cloudsql_iam_operator.api.user import KubernetesServiceAccount
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.globs import Globs, matches
from cloudsql_iam_operator.core.grants.desired.identifiers import identifier, signature
from cloudsql_iam_operator.core.injection.cluster import reading
from cloudsql_iam_operator.core.injection.facts import Facts, ServiceAccountFact
from cloudsql_iam_operator.core.injection.plan import plan
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.users.principals import resolve
from support.patterns import Found, found

KIB = 1024
ANNOTATION = 256 * KIB
"""The API server lets all annotations of an object be this long."""

SEEDS = (
    *("a", "0", "A", "@", ".", "-", "_", "/", ":", "(", ")", "()", "(a)", "((", " ", "\t", "\n", "\\", '"', "*", "?"),
    *(
        "a@",
        "a.",
        "a-",
        "a_",
        "0h",
        "a:",
        "a/",
        "://",
        "a@a",
        "ä",
        "\u212a",
        ".gserviceaccount.com",
        "--port=1 ",
        "&port=1",
        "$(A)",
        "$(",
        "${A:-",
        "${A}",
        "'",
        "-instances=a:b:c ",
        "cloud-sql-proxy;",
        "A=$A$A;",
    ),
    *(
        "FATAL: ",
        " failed: ",
        "Provided CLOUD_IAM_A: ",
        'role "cloudsqliam',
        'role "a" ',
        "user a@a ",
        "user @",
        "role a ",
    ),
    *(
        "does not exist",
        "read-",
        "principal ",
        "roles/a",
        "projects/a/",
        "locations/",
        "1e",
        "1.",
        "v1.",
        "2026-01-01T",
    ),
)
ENDS = ("", "!", "\n\nx", "@", ")")


def texts(length: int) -> Iterator[str]:
    """Repetitions of every seed of about this length, with every end."""
    for seed in SEEDS:
        for end in ENDS:
            yield seed * (length // len(seed)) + end


Case = tuple[str, int, Callable[[str], object]]
"""What meets a tenant's text: a name, the longest text that gets there, and the call."""


def texts_of_pods() -> Iterator[Case]:
    """What an admission request brings, and the annotation of a ServiceAccount."""
    yield "pod image", 1024 * KIB, lambda text: _planned(image=text)
    yield "pod arguments", 1024 * KIB, lambda text: _planned(args=[text, "--port=" + text])
    for words in (["sh", "-c"], ["cloud-sql-proxy"], ["cloud_sql_proxy"]):
        yield f"after {words}", 64 * KIB, partial(_run, words)
    yield "variables in arguments", 64 * KIB, _referred_to
    yield "container name", 64 * KIB, lambda text: _planned(name=text)
    for name in (*READ, STATUS):
        yield name, ANNOTATION, partial(_annotated, name)
    yield "name of an annotation", ANNOTATION, lambda text: _planned({f"iam.cloudsql.dev/{text}": "x"})
    yield (
        "annotation of a ServiceAccount",
        ANNOTATION,
        lambda text: _refusable(resolve, KubernetesServiceAccount("a"), text),
    )
    yield (
        "annotation in the webhook",
        ANNOTATION,
        lambda text: reading.service_account(
            {"metadata": {"name": "a", "annotations": {"iam.gke.io/gcp-service-account": text}}}
        ),
    )


def texts_of_objects() -> Iterator[Case]:
    """What our own kinds bring."""
    yield "quantity", ANNOTATION, quantity
    yield "routine", 2 * KIB, lambda text: _refusable(signature, text)
    yield "identifier", 64 * KIB, lambda text: _refusable(identifier, text, "table")
    yield "glob", 512, lambda text: matches(text, text)
    yield "many globs", 128, lambda text: [Globs([text] * 100).match(name) for name in ("a" * 63, text[:63])]
    for field in ("database", "expiresAt", "preset", "schemas", "mode"):
        yield f"grant {field}", 64 * KIB, partial(_field, parse_grant, (field,))
    yield (
        "grantee",
        64 * KIB,
        lambda text: _parsed(parse_grant, {"grantees": [{"role": text}, {"userRef": {"name": text}}]}),
    )
    for form in ("serviceAccount", "user", "group", "workforceIdentity"):
        yield f"principal {form}", 64 * KIB, partial(_field, parse_user, ("principal", form))
    yield "connection name", 64 * KIB, partial(_field, parse_instance, ("connectionName",))
    yield "field of no kind", 64 * KIB, lambda text: _parsed(parse_user, {text: 1})


def main() -> None:
    """Say what is tried before it is tried, so that whoever waits too long knows for what."""
    if sys.argv[1] == "patterns":
        for each in found():
            print(each.place, flush=True)
            _search(each)
        return
    for name, longest, call in (*texts_of_pods(), *texts_of_objects()):
        print(name, flush=True)
        for text in texts(longest):
            call(text)


def _search(each: Found) -> None:
    assert each.uses, f"{each.place} is used by nobody"
    for text in texts(each.longest or 64 * KIB):
        for use in each.uses:
            getattr(each.pattern, use)(*(("", text) if use == "sub" else (text,)))


def _planned(annotations: dict[str, str] | None = None, **container: Any) -> None:
    asked = {"iam.cloudsql.dev/inject": "true"} | (annotations or {})
    body = {
        "metadata": {"name": "p", "annotations": asked},
        "spec": {"containers": [{"name": "c", "image": "i", **container}]},
    }
    plan(body, Facts("evil", ServiceAccountFact("default", ""), ()), InjectionSettings("gcr.io/x/proxy:1"))


def _run(words: list[str], text: str) -> None:
    """As one word, and as many."""
    _planned(command=[*words, f"proxy {text}"])
    _planned(command=words, args=text.split())


def _referred_to(text: str) -> None:
    """Variables that stand for each other, each for twice the one before."""
    doubled = [{"name": f"A{n}", "value": f"$(A{n - 1})$(A{n - 1})"} for n in range(1, 64)]
    env = [{"name": "A0", "value": text[:KIB]}, {"name": "A", "value": text}, *doubled]
    _planned(args=["$(A63):$(A9)$(A)", text, "--port=$(A8)"], env=env)


def _annotated(name: str, text: str) -> None:
    _planned({name: text})


def _field(parse: Callable[[dict[str, Any]], object], path: tuple[str, ...], text: str) -> None:
    value: Any = text
    for name in reversed(path):
        value = {name: value}
    _parsed(parse, value)


def _parsed(parse: Callable[[dict[str, Any]], object], spec: dict[str, Any]) -> None:
    smallest = {"connectionName": "a:b:c", "instanceRef": {"name": "i"}, "database": "d", "grantees": [{"role": "r"}]}
    metadata = {"name": "n", "namespace": "n", "creationTimestamp": datetime(2026, 1, 1, tzinfo=UTC).isoformat()}
    said = ""
    try:
        parse({"metadata": metadata, "spec": smallest | spec})
    except InvalidObject as invalid:
        said = str(invalid)
    assert len(said) < 2 * KIB, said[:200]


def _refusable(call: Callable[..., object], *arguments: Any) -> None:
    try:
        call(*arguments)
    except Failure:
        return


if __name__ == "__main__":
    main()
