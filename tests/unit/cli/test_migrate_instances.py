"""`inject --migrate` of proxies with several instances, and of those that listen on Unix sockets."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from cloudsql_iam_operator.__main__ import main
from support.migrating import ACCESS, CONNECTION, deployment, v1, v2

AUDIT = "acme-prod:europe-west1:audit"
TWO = (
    ACCESS
    + f"""\
apiVersion: iam.cloudsql.dev/v1alpha1
kind: CloudSQLInstance
metadata: {{name: audit}}
spec: {{connectionName: "{AUDIT}", admin: {{database: {{ipType: PRIVATE}}}}}}
---
apiVersion: iam.cloudsql.dev/v1alpha1
kind: CloudSQLIAMUser
metadata: {{name: checkout-audit, namespace: orders}}
spec: {{instanceRef: {{name: audit}}, principal: {{kubernetesServiceAccount: {{name: checkout}}}}}}
---
"""
)
BOTH = {"inject": "true", "user": "checkout,checkout-audit"}
IAM = "--auto-iam-authn"
DIRECTORY = "/cloudsql"
EMPTY = {"name": "cloudsql", "emptyDir": {}}
MOUNT = {"name": "cloudsql", "mountPath": DIRECTORY}


def listed(*places: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, **place} for name, place in zip((CONNECTION, AUDIT), places, strict=True)]


SEVERAL = {
    "from one port on": (
        v2(IAM, "--port=6000", CONNECTION, f"{AUDIT}?private-ip=true"),
        BOTH,
        listed({"port": 6000}, {"port": 6001}),
    ),
    "from the default on": (
        v2(IAM, CONNECTION, AUDIT),
        BOTH,
        listed({"port": 5432}, {"port": 5433, "ipType": "public"}),
    ),
    "each on its own": (
        v2("--private-ip", f"{CONNECTION}?port=6000&auto-iam-authn=true", f"{AUDIT}?port=7000&auto-iam-authn=1"),
        BOTH,
        listed({"port": 6000, "ipType": "private"}, {"port": 7000}),
    ),
    "in the environment": (
        v2(
            IAM,
            "--private-ip",
            env=[
                {"name": "CSQL_PROXY_INSTANCE_CONNECTION_NAME_0", "value": CONNECTION},
                {"name": "CSQL_PROXY_INSTANCE_CONNECTION_NAME_1", "value": AUDIT},
            ],
        ),
        BOTH,
        listed({"port": 5432, "ipType": "private"}, {"port": 5433}),
    ),
    "of v1": (
        v1("-enable_iam_login", "-ip_address_types=PRIVATE", f"-instances={CONNECTION}=tcp:5432,{AUDIT}=tcp:6543"),
        BOTH,
        listed({"port": 5432, "ipType": "private"}, {"port": 6543}),
    ),
    "all with passwords": (
        v2("--private-ip", CONNECTION, AUDIT),
        {**BOTH, "auto-iam-authn": "false"},
        listed({"port": 5432, "ipType": "private"}, {"port": 5433}),
    ),
}
"""Proxies for two instances, the annotations that they become, and those in `instances`."""


@pytest.mark.parametrize("case", SEVERAL)
def test_a_proxy_for_several_instances_becomes_several_users_and_their_places(case: str, migrated: Any) -> None:
    container, annotations, instances = SEVERAL[case]

    done = migrated(deployment(container), TWO)

    said = dict(done.annotations)
    assert json.loads(said.pop("instances")) == instances
    assert said == annotations
    assert [each["name"] for each in done.template["spec"]["containers"]] == ["web"]


def test_an_instance_with_a_password_needs_no_user(migrated: Any) -> None:
    done = migrated(deployment(v2(f"{CONNECTION}?auto-iam-authn=true", f"{AUDIT}?port=6000")))

    instances = [{"name": CONNECTION, "port": 5432}, {"name": AUDIT, "port": 6000}]
    assert done.annotations == {"inject": "checkout", "instances": json.dumps(instances)}


@pytest.mark.parametrize("container", [v2(f"{AUDIT}?port=3306"), v1(f"-instances={AUDIT}=tcp:3306")])
def test_a_proxy_for_mysql_stays_a_proxy_and_brings_no_variables(container: dict[str, Any], migrated: Any) -> None:
    done = migrated(deployment(container))

    instances = [{"name": AUDIT, "port": 3306}]
    assert done.annotations == {"inject": "true", "env": "none", "instances": json.dumps(instances)}


STAYS = {
    "IAM login to an instance of nobody": (
        v2(IAM, CONNECTION, "acme-prod:europe-west1:x"),
        "no CloudSQLIAMUser on acme-prod:europe-west1:x: create one, then migrate",
    ),
    "IAM login to one of two": (
        v2(f"{CONNECTION}?auto-iam-authn=true", AUDIT),
        f"it logs in by IAM, but not to {AUDIT}: annotations say one for all users",
    ),
    "the default port of an unknown engine": (
        v2(f"{CONNECTION}?auto-iam-authn=true", "acme-prod:europe-west1:x"),
        "its port for acme-prod:europe-west1:x depends on the engine: write it down as ?port=",
    ),
    "a port from elsewhere": (v2(IAM, "--port=$(PORT)", CONNECTION, AUDIT), "annotations have nothing for: port"),
}


@pytest.mark.parametrize("case", STAYS)
def test_several_instances_that_annotations_do_not_express_stay(case: str, migrated: Any) -> None:
    container, said = STAYS[case]

    done = migrated(deployment(container), TWO)

    assert (done.status, done.output) == (1, "")
    assert said in done.said


def on_sockets(container: dict[str, Any], *others: dict[str, Any], volume: dict[str, Any] = EMPTY) -> dict[str, Any]:
    """A Deployment whose web container shares the proxy's sockets."""
    body = deployment({"volumeMounts": [MOUNT], **container}, *others, volumes=[volume])
    body["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [MOUNT, {"name": "tmp", "mountPath": "/tmp"}]
    body["spec"]["template"]["spec"]["volumes"].append({"name": "tmp", "emptyDir": {}})
    return body


SOCKETS = {
    "v2": v2(IAM, "--unix-socket=/cloudsql/", CONNECTION),
    "v2 by letter": v2("-i", "-u", DIRECTORY, CONNECTION),
    "v2, of the instance": v2(IAM, f"{CONNECTION}?unix-socket={DIRECTORY}"),
    "v2 in the environment": v2(
        CONNECTION,
        env=[
            {"name": "CSQL_PROXY_UNIX_SOCKET", "value": DIRECTORY},
            {"name": "CSQL_PROXY_AUTO_IAM_AUTHN", "value": "true"},
        ],
    ),
    "v1": v1("-enable_iam_login", f"-dir={DIRECTORY}", f"-instances={CONNECTION}"),
}


@pytest.mark.parametrize("case", SOCKETS)
def test_sockets_stay_where_they_are_in_the_volume_of_the_injected_proxy(case: str, migrated: Any) -> None:
    done = migrated(on_sockets(SOCKETS[case]))

    assert done.annotations == {"inject": "checkout", "unix-socket": DIRECTORY}
    spec = done.template["spec"]
    assert spec["volumes"] == [{"name": "tmp", "emptyDir": {}}]
    assert spec["containers"][0]["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


def test_only_containers_that_reached_the_sockets_go_on_reaching_them(migrated: Any) -> None:
    done = migrated(on_sockets(SOCKETS["v2"], {"name": "logs", "image": "acme/logs:1"}))

    assert done.annotations == {"inject": "checkout", "unix-socket": DIRECTORY, "containers": "web"}


def test_several_instances_may_have_sockets_and_ports(migrated: Any) -> None:
    done = migrated(on_sockets(v2(IAM, "-u", DIRECTORY, CONNECTION, f"{AUDIT}?port=6000&private-ip=true")), TWO)

    assert json.loads(done.annotations["instances"]) == listed({"socket": DIRECTORY}, {"port": 6000})


UNSHARED = {
    "a volume of the node": (
        on_sockets(SOCKETS["v2"], volume={"name": "cloudsql", "hostPath": {"path": "/x"}}),
        "its sockets in /cloudsql are in no emptyDir of the pod",
    ),
    "no volume": (deployment(SOCKETS["v2"]), "its sockets in /cloudsql are in no emptyDir of the pod"),
    "nobody": (
        deployment({**SOCKETS["v2"], "volumeMounts": [MOUNT]}, volumes=[EMPTY]),
        "no container mounts its sockets",
    ),
    "another directory": (
        on_sockets(SOCKETS["v2"], {"name": "job", "image": "j", "volumeMounts": [{**MOUNT, "mountPath": "/sql"}]}),
        "container job has its sockets in /sql, and it in /cloudsql",
    ),
    "a part of the volume": (
        on_sockets(SOCKETS["v2"], {"name": "job", "image": "j", "volumeMounts": [{**MOUNT, "subPath": "x"}]}),
        "container job has its sockets in /cloudsql, and it in /cloudsql",
    ),
    "a path of the socket": (
        on_sockets(v2(IAM, f"{CONNECTION}?unix-socket-path=/cloudsql/db")),
        "annotations have nothing for: ?unix-socket-path=",
    ),
    "v1 without a directory": (on_sockets(v1(f"-instances={CONNECTION}")), "a Unix socket in no directory"),
    "a directory from elsewhere": (on_sockets(v2(IAM, "-u", "$(DIR)", CONNECTION)), "nothing for: unix-socket"),
}


@pytest.mark.parametrize("case", UNSHARED)
def test_sockets_that_annotations_do_not_express_stay(case: str, migrated: Any) -> None:
    body, said = UNSHARED[case]

    done = migrated(body)

    assert (done.status, done.output) == (1, "")
    assert said in done.said


KINDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "Pod": lambda template: {"apiVersion": "v1", **template},
    "StatefulSet": lambda template: {"apiVersion": "apps/v1", "spec": {"template": template}},
    "DaemonSet": lambda template: {"apiVersion": "apps/v1", "spec": {"template": template}},
    "Job": lambda template: {"apiVersion": "batch/v1", "spec": {"template": template}},
    "CronJob": lambda template: {"apiVersion": "batch/v1", "spec": {"jobTemplate": {"spec": {"template": template}}}},
    "Rollout": lambda template: {"apiVersion": "argoproj.io/v1alpha1", "spec": {"template": template}},
}


def test_workloads_of_every_kind_in_a_list_are_migrated_and_a_second_time_nothing_changes(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    items = []
    for kind, made in KINDS.items():
        template = on_sockets(SOCKETS["v2"])["spec"]["template"]
        metadata = {"name": f"a-{kind.lower()}", "namespace": "orders"}
        items.append({**made(template), "kind": kind, "metadata": metadata})
    file = tmp_path / "all.yaml"
    file.write_text(
        ACCESS + yaml.safe_dump(json.loads(json.dumps({"apiVersion": "v1", "kind": "List", "items": items})))
    )

    status = main(["inject", "--offline", "--migrate", "-f", str(file)])
    once = capsys.readouterr()
    file.write_text(once.out)
    again = main(["inject", "--offline", "--migrate", "-f", str(file)])

    assert (status, again) == (0, 0)
    assert capsys.readouterr() == (once.out, "")
    assert once.out.count("iam.cloudsql.dev/unix-socket: /cloudsql") == len(KINDS)
    assert once.err.count("container sql became annotations") == len(KINDS)
    assert "cloud-sql-proxy" not in once.out
