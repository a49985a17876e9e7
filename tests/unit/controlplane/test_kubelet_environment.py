"""What a container's process gets to see: variables, commands, references."""

from typing import Any

import pytest

from controlplane.kubelet.environment import Missing, Objects, Place, command, environment, expand, field, resource
from controlplane.kubelet.podspec import parse
from controlplane.kubelet.settings import Image

NOTHING = Objects(lambda _: None, lambda _: None)
SHELL = Image("shell:*", ("sh", "-c"), ("echo default",), {}, {})


def place(container: dict[str, Any], objects: Objects = NOTHING, **meta: object) -> Place:
    told = {
        "metadata": {"namespace": "orders", "name": "shop", "uid": "u-1", **meta},
        "spec": {"nodeName": "node-1", "containers": [{"name": "main", "image": "shell:1", **container}]},
    }
    return Place(parse(told), "198.18.0.7", objects)


def variables(of: Place) -> dict[str, str]:
    return environment(of, of.pod.containers[0])


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "one"),
        ("$(A)$(A)", "oneone"),
        ("$$(A)", "$(A)"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
    ],
)
def test_references_are_replaced_as_kubernetes_does(text: str, expanded: str) -> None:
    assert expand(text, {"A": "one"}) == expanded


def test_a_variable_may_use_those_before_it_but_not_those_after_it() -> None:
    env = [{"name": "A", "value": "$(B)"}, {"name": "B", "value": "b"}, {"name": "C", "value": "$(B)"}]

    seen = variables(place({"env": env}))

    assert (seen["A"], seen["C"]) == ("$(B)", "b")


def test_keys_of_objects_become_variables() -> None:
    objects = Objects({"settings": {"colour": b"blue"}}.get, {"keys": {"word": b"open"}}.get)
    env = [
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "word"}}},
    ]

    seen = variables(place({"env": env, "envFrom": [{"prefix": "S_", "configMapRef": {"name": "settings"}}]}, objects))

    assert (seen["COLOUR"], seen["WORD"], seen["S_colour"]) == ("blue", "open", "blue")


def test_a_missing_optional_reference_leaves_the_variable_out() -> None:
    reference = {"name": "keys", "key": "word", "optional": True}

    seen = variables(place({"env": [{"name": "WORD", "valueFrom": {"secretKeyRef": reference}}]}))

    assert "WORD" not in seen


def test_a_missing_reference_is_named() -> None:
    env = [{"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "word"}}}]

    with pytest.raises(Missing, match='secret "keys" not found'):
        variables(place({"env": env}))


def test_a_missing_key_is_named() -> None:
    objects = Objects(lambda _: None, {"keys": {"other": b""}}.get)
    env = [{"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "word"}}}]

    with pytest.raises(Missing, match="couldn't find key word in secret keys"):
        variables(place({"env": env}, objects))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "shop"),
        ("metadata.namespace", "orders"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['app']", "shop"),
        ("metadata.annotations['example.com/note']", 'a "b"'),
        ("metadata.annotations", 'example.com/note="a \\"b\\""'),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "default"),
        ("status.podIP", "198.18.0.7"),
        ("status.hostIP", "198.18.0.1"),
    ],
)
def test_fields_of_the_pod_can_be_referred_to(path: str, value: str) -> None:
    of = place({}, labels={"app": "shop"}, annotations={"example.com/note": 'a "b"'})

    assert field(of, path) == value


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"resource": "limits.memory"}, "134217728"),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "128"),
        ({"resource": "limits.cpu"}, "2"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "requests.cpu"}, "0"),
        ({"resource": "limits.memory", "containerName": "main", "divisor": "1k"}, "134218"),
    ],
)
def test_resources_are_rounded_up_to_whole_divisors(reference: dict[str, str], value: str) -> None:
    of = place({"resources": {"limits": {"memory": "128Mi", "cpu": "1500m"}}})

    assert resource(of.pod, reference, of.pod.containers[0]) == value


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({}, ["sh", "-c", "echo default"]),
        ({"args": ["echo $(A)"]}, ["sh", "-c", "echo one"]),
        ({"command": ["/tool"]}, ["/tool"]),
        ({"command": ["/tool"], "args": ["$(A)"]}, ["/tool", "one"]),
    ],
)
def test_command_replaces_the_entrypoint_and_args_its_arguments(container: dict[str, Any], words: list[str]) -> None:
    of = place(container)

    assert command(of.pod.containers[0], SHELL, {"A": "one"}) == words
