"""Where the test binaries come from, in which order, and what makes one be built anew. Nothing is built here."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from controlplane.binaries import TOOLS, Binaries, CannotBuild, cached, duration, ensure, told
from controlplane.golang import Go, chosen, numbers

OF_NAME = {tool.name: tool for tool in TOOLS}
ETCD = OF_NAME["etcd"]
HELM = OF_NAME["helm"]
GO = Go(Path("/usr/bin/go"), "1.26.6")


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_every_program_has_a_variable_of_its_own() -> None:
    variables = {tool.name: tool.variable for tool in TOOLS}

    assert variables == {
        "etcd": "ETCD",
        "cloud-sql-proxy": "CLOUD_SQL_PROXY",
        "cloudsql-connector": "CLOUDSQL_CONNECTOR",
        "kubelet-streams": "KUBELET_STREAMS",
        "helm": "HELM",
        "kube-apiserver": "KUBE_APISERVER",
        "kube-controller-manager": "KUBE_CONTROLLER_MANAGER",
        "kubectl": "KUBECTL",
    }


def test_a_variable_comes_before_the_assets(tmp_path: Path) -> None:
    own, _ = program(tmp_path / "own" / "etcd"), program(tmp_path / "assets" / "etcd")

    path = told(ETCD, {"ETCD": str(own), "KUBEBUILDER_ASSETS": str(tmp_path / "assets")})

    assert path == tmp_path / "own" / "etcd"


def test_the_assets_give_what_they_hold(tmp_path: Path) -> None:
    program(tmp_path / "etcd")

    path = told(ETCD, {"KUBEBUILDER_ASSETS": str(tmp_path)})

    assert path == tmp_path / "etcd"


def test_the_assets_are_not_asked_for_what_is_not_theirs(tmp_path: Path) -> None:
    program(tmp_path / "helm")

    path = told(HELM, {"KUBEBUILDER_ASSETS": str(tmp_path)})

    assert path is None


def test_a_variable_that_names_no_program_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CannotBuild, match=r"HELM=.*/nothing is no program: correct it, or unset it"):
        told(HELM, {"HELM": str(tmp_path / "nothing")})


def test_programs_that_are_all_named_need_no_go(tmp_path: Path) -> None:
    named = {tool.variable: str(program(tmp_path / tool.name)) for tool in TOOLS}
    said: list[str] = []

    binaries = ensure(said.append, named)

    assert binaries == Binaries(
        etcd=tmp_path / "etcd",
        cloud_sql_proxy=tmp_path / "cloud-sql-proxy",
        cloudsql_connector=tmp_path / "cloudsql-connector",
        kubelet_streams=tmp_path / "kubelet-streams",
        helm=tmp_path / "helm",
        kube_apiserver=tmp_path / "kube-apiserver",
        kube_controller_manager=tmp_path / "kube-controller-manager",
        kubectl=tmp_path / "kubectl",
    )
    assert said == []


def test_what_the_cache_holds_is_taken_without_a_word(tmp_path: Path) -> None:
    go = program(tmp_path / "bin" / "go", "#!/bin/sh\necho go1.99.0\n")
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": str(go.parent)}
    for tool in TOOLS:
        program(cached(tool, Go(go, "1.99.0"), environment))
    said: list[str] = []

    binaries = ensure(said.append, environment)

    assert binaries.helm.parent.parent == tmp_path / "cache" / "cloudsql-iam-operator" / "bin"
    assert said == []


def test_the_cache_is_in_the_home_directory_when_nothing_else_is_said() -> None:
    path = cached(ETCD, GO, {"HOME": "/home/ann"})

    assert path.parent.parent == Path("/home/ann/.cache/cloudsql-iam-operator/bin")
    assert path.name == "etcd"


def test_another_go_or_another_flag_is_another_program() -> None:
    environment = {"HOME": "/home/ann"}

    paths = {
        cached(HELM, GO, environment),
        cached(HELM, replace(GO, version="1.26.7"), environment),
        cached(replace(HELM, flags="-X main.version=v1"), GO, environment),
        cached(replace(HELM, module="etcd"), GO, environment),
    }

    assert len(paths) == 4


def test_the_place_of_go_makes_no_difference() -> None:
    environment = {"HOME": "/home/ann"}

    assert cached(HELM, GO, environment) == cached(HELM, replace(GO, program=Path("/opt/go")), environment)


def test_the_machines_go_is_taken_when_it_is_new_enough(tmp_path: Path) -> None:
    program(tmp_path / "go", "#!/bin/sh\necho go1.26.0\n")

    go = chosen("1.26.0", tmp_path / "cache", {"PATH": str(tmp_path)})

    assert go == Go(tmp_path / "go", "1.26.0")


@pytest.mark.parametrize("version", ["go1.25.9", "go1.26rc1", "", "devel go1.27-abcdef"])
def test_a_go_that_is_too_old_gives_way_to_the_locked_one(tmp_path: Path, version: str) -> None:
    program(tmp_path / "go", f"#!/bin/sh\necho '{version}'\n")

    go = chosen("1.26.0", tmp_path / "cache", {"PATH": str(tmp_path)})

    assert go.program.is_relative_to(tmp_path / "cache" / "go")
    assert not os.path.lexists(go.program)


def test_versions_compare_as_numbers() -> None:
    assert numbers("1.26.10") > numbers("1.26.9") > numbers("1.26")


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (42.4, "42 s"), (89, "89 s"), (461, "8 min")])
def test_a_duration_reads_as_a_person_says_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
