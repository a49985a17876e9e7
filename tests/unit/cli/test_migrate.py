"""`inject --migrate`: proxies of the authors' own become annotations, or stay, with the reason."""

from typing import Any

import pytest
import yaml

from support.migrating import ACCESS, CONNECTION, DOMAIN, GOOGLE, deployment, v1, v2

IAM = "--auto-iam-authn"
BECOMES = {
    "v2 with IAM login": (v2(IAM, CONNECTION), {}),
    "v2 in the environment": (
        v2(
            env=[
                {"name": "CSQL_PROXY_INSTANCE_CONNECTION_NAME", "value": CONNECTION},
                {"name": "CSQL_PROXY_AUTO_IAM_AUTHN", "value": "true"},
                {"name": "CSQL_PROXY_PORT", "value": "6543"},
            ]
        ),
        {"port": "6543"},
    ),
    "v2 whose parameters are the instance's": (
        v2(f"{CONNECTION}?port=6543&auto-iam-authn=true&private-ip=true"),
        {"port": "6543", "ip-type": "private"},
    ),
    "v2 with a password": (v2(CONNECTION), {"auto-iam-authn": "false"}),
    "v2 with references": (
        v2(
            "--port=$(PORT)", IAM, "$(DB)", env=[{"name": "PORT", "value": "6000"}, {"name": "DB", "value": CONNECTION}]
        ),
        {"port": "6000"},
    ),
    "v2 with flags of its own": (
        v2(IAM, "--max-connections=20", "--max-sigterm-delay", "30s", "--quiet", "--lazy-refresh", "--psc", CONNECTION),
        {
            "max-connections": "20",
            "max-sigterm-delay": "30s",
            "quiet": "true",
            "lazy-refresh": "true",
            "ip-type": "psc",
        },
    ),
    "v2 with health checks and metrics": (
        v2(
            IAM,
            "--health-check",
            "--http-port=9100",
            "--prometheus",
            "--structured-logs",
            "--exit-zero-on-sigterm",
            CONNECTION,
        ),
        {"prometheus": "9100"},
    ),
    "v2 with metrics on the usual port": (v2(IAM, "--prometheus", CONNECTION), {"prometheus": "9090"}),
    "v2 that the program ends": (v2(IAM, "--quitquitquit", CONNECTION), {"admin-port": "9091"}),
    "v2 in parameters of a shell": (
        {
            "name": "sql",
            "image": GOOGLE,
            "command": ["sh", "-c", 'exec /cloud-sql-proxy "$@"', "--"],
            "args": [IAM, "--port", "6432", CONNECTION],
        },
        {"port": "6432"},
    ),
    "v2 in one shell command": (
        {"name": "sql", "image": GOOGLE, "command": ["sh", "-c", f"exec /cloud-sql-proxy {IAM} -p 6001 {CONNECTION}"]},
        {"port": "6001"},
    ),
    "v2 with resources": (
        v2(IAM, CONNECTION, resources={"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}}),
        {"cpu-request": "100m", "memory-request": "32Mi", "memory-limit": "128Mi"},
    ),
    "v2 with switches as Go reads them": (
        v2("--auto-iam-authn=T", "--quiet=1", "--private-ip=F", CONNECTION),
        {"quiet": "true"},
    ),
    "v1 with IAM login": (v1("-enable_iam_login", f"-instances={CONNECTION}=tcp:5432"), {}),
    "v1 on all addresses of the instance, private first": (
        v1(
            "-enable_iam_login",
            "-ip_address_types=PRIVATE",
            "-term_timeout=30s",
            "-instances",
            f"{CONNECTION}=tcp:6543",
        ),
        {"port": "6543", "ip-type": "private", "max-sigterm-delay": "30s"},
    ),
    "v1 in its environment": (
        v1("-enable_iam_login", env=[{"name": "INSTANCES", "value": f"{CONNECTION}=tcp:5433"}]),
        {"port": "5433"},
    ),
}
"""Containers, and the annotations that they become, beside the name of the user."""


@pytest.mark.parametrize("case", BECOMES)
def test_a_proxy_becomes_annotations(case: str, migrated: Any) -> None:
    container, annotations = BECOMES[case]

    done = migrated(deployment(container))

    assert done.annotations == {"inject": "checkout"} | annotations
    assert [each["name"] for each in done.template["spec"]["containers"]] == ["web"]
    assert done.status == 0


@pytest.mark.parametrize("case", BECOMES)
def test_what_became_annotations_is_shown_by_a_difference(case: str, migrated: Any) -> None:
    done = migrated(deployment(BECOMES[case][0]))

    assert "Deployment orders/web: container sql became annotations" in done.said
    assert "+        iam.cloudsql.dev/inject: checkout" in done.said.splitlines()
    assert "-      - " in done.said


def test_a_name_like_those_of_googles_operator_is_anybodys(migrated: Any) -> None:
    done = migrated(deployment({**v2(IAM, CONNECTION), "name": "csql-orders"}))

    assert done.annotations == {"inject": "checkout"}


def test_a_native_sidecar_goes_with_the_list_that_it_was_alone_in(migrated: Any) -> None:
    done = migrated(deployment(initContainers=[v2(IAM, CONNECTION, restartPolicy="Always")]))

    assert "initContainers" not in done.template["spec"]


def test_a_key_in_a_secret_stays_the_identity(migrated: Any) -> None:
    volumes = [{"name": "key", "secret": {"secretName": "sql-key"}}]
    mounts = [{"name": "key", "mountPath": "/secrets/"}]

    done = migrated(deployment(v2(IAM, "-c", "/secrets/key.json", CONNECTION, volumeMounts=mounts), volumes=volumes))

    assert done.annotations == {"inject": "checkout", "credentials-secret": "sql-key:key.json"}


def test_impersonation_stays(migrated: Any) -> None:
    email = "checkout@acme-prod.iam.gserviceaccount.com"
    known = ACCESS.replace("{kubernetesServiceAccount: {name: checkout}}", f"{{serviceAccount: {email}}}")
    chain = f"--impersonate-service-account={email},b@p.iam.gserviceaccount.com"

    done = migrated(deployment(v2("-i", chain, CONNECTION)), known)

    delegated = {"impersonate": email, "impersonate-delegates": "b@p.iam.gserviceaccount.com"}
    assert done.annotations == {"inject": "checkout"} | delegated


def test_annotations_that_are_there_stay(migrated: Any) -> None:
    annotations = {f"{DOMAIN}inject": "true", "prometheus.io/scrape": "true"}

    done = migrated(deployment(v2(IAM, CONNECTION), annotations=annotations))

    assert done.template["metadata"]["annotations"] == annotations


STAYS = {
    "an instance of nobody": (
        v2(IAM, "acme-prod:europe-west1:audit"),
        "no CloudSQLIAMUser on acme-prod:europe-west1:audit",
    ),
    "an instance from elsewhere": (v2(IAM, "--config-file=/etc/proxy.yaml"), "cannot be seen: name it in its args"),
    "an address for others": (v2(IAM, "--address=10.0.0.5", CONNECTION), "nothing for: an address for others"),
    "an address for others, of v1": (
        v1("-enable_iam_login", f"-instances={CONNECTION}=tcp:10.0.0.5:5432"),
        "nothing for: an address for others",
    ),
    "a token": (v2(IAM, "--token=ya29.secret", CONNECTION), "nothing for: --token"),
    "an unknown flag": (v2(IAM, "--new-thing=secret", CONNECTION), "nothing for: --new-thing"),
    "pprof": (v2(IAM, "--debug", CONNECTION), "nothing for: --debug"),
    "a key that is no Secret's": (v2(IAM, "-c", "/key.json", CONNECTION), "the credentials file /key.json"),
    "a web proxy": (v2(IAM, CONNECTION, env=[{"name": "HTTPS_PROXY", "value": "http://p"}]), "variables HTTPS_PROXY"),
    "a volume": (v2(IAM, CONNECTION, volumeMounts=[{"name": "ca", "mountPath": "/etc/ssl"}]), "its volumes (ca)"),
    "variables from elsewhere": (v2(IAM, CONNECTION, envFrom=[{"secretRef": {"name": "x"}}]), "nothing for: envFrom"),
    "a limit of another resource": (
        v2(IAM, CONNECTION, resources={"limits": {"gpu": 1}}),
        "nothing for: limits of gpu",
    ),
    "a shell line": (
        {
            "name": "sql",
            "image": GOOGLE,
            "command": ["sh", "-c", f"/cloud-sql-proxy -i {CONNECTION} & sleep 9; kill $!"],
        },
        "does more than start the proxy",
    ),
    "a program that nobody knows": (
        {"name": "sql", "image": GOOGLE, "command": ["/kubexit/kubexit", "/cloud-sql-proxy", IAM, CONNECTION]},
        "container sql is started by /kubexit/kubexit: what else that does would be lost",
    ),
    "a script": (
        v2(command=["/start.sh"], env=[{"name": "INSTANCE_CONNECTION_NAME", "value": CONNECTION}]),
        "container sql is started by /start.sh",
    ),
    "one of Google's operator": (
        v2(IAM, CONNECTION, env=[{"name": "CSQL_PROXY_USER_AGENT", "value": "cloud-sql-proxy-operator/1.8.1"}]),
        "take the workload out of its AuthProxyWorkload",
    ),
}
"""Containers that stay, and what is said."""


@pytest.mark.parametrize("case", STAYS)
def test_what_would_lose_something_stays_and_nothing_is_printed(case: str, migrated: Any) -> None:
    container, said = STAYS[case]

    done = migrated(deployment(container))

    assert (done.status, done.output) == (1, "")
    assert "Deployment orders/web: " in done.said
    assert said in done.said
    assert "secret" not in done.said.replace("Secret", "")


@pytest.mark.parametrize(
    "caller",
    [
        {"command": ["sh", "-c", "until curl -sf localhost:9100/startup; do sleep 1; done; exec shop"]},
        {"readinessProbe": {"exec": {"command": ["curl", "-sf", "http://127.0.0.1:9100/readiness"]}}},
        {"env": [{"name": "PROXY", "value": "http://127.0.0.1:9100"}]},
    ],
)
def test_health_checks_stay_where_another_container_calls_them(caller: dict[str, Any], migrated: Any) -> None:
    proxy = v2(IAM, "--health-check", "--http-port=9100", CONNECTION)

    called = migrated(deployment(proxy, {"name": "app", "image": "acme/app:1", **caller}))
    quiet = migrated(deployment(proxy, {"name": "app", "image": "acme/app:1", "args": ["127.0.0.1:91000"]}))

    assert called.annotations == {"inject": "checkout", "http-port": "9100"}
    assert quiet.annotations == {"inject": "checkout"}


def test_a_proxy_whose_process_another_container_looks_for_stays(migrated: Any) -> None:
    job = {"name": "job", "image": "acme/job:1", "command": ["sh", "-c", "run; kill -INT $(pgrep cloud_sql_proxy)"]}

    done = migrated(deployment(v1(f"-instances={CONNECTION}=tcp:5432"), job, shareProcessNamespace=True))

    assert done.status == 1
    assert "the command of container job speaks of cloud_sql_proxy, whose process it may not find" in done.said


def test_several_proxies_stay(migrated: Any) -> None:
    done = migrated(deployment(v2(IAM, CONNECTION), {**v1(f"-instances={CONNECTION}=tcp:5433"), "name": "old"}))

    assert done.status == 1
    assert "several proxies (sql, old)" in done.said


def test_an_annotation_that_says_something_else_stays_and_so_does_the_proxy(migrated: Any) -> None:
    done = migrated(deployment(v2(IAM, "--port=6543", CONNECTION), annotations={f"{DOMAIN}port": "5432"}))

    assert done.status == 1
    assert "iam.cloudsql.dev/port is '5432', and container sql has '6543': make them the same" in done.said


def test_another_identity_stays_with_what_injection_would_say(migrated: Any) -> None:
    body = deployment(v2(IAM, CONNECTION), annotations={f"{DOMAIN}inject": "checkout"}, serviceAccountName="other")

    done = migrated(body)

    assert done.status == 1
    assert "ServiceAccount orders/other does not exist" in done.said


def test_what_has_no_proxy_and_what_is_alloydbs_is_left_alone(migrated: Any) -> None:
    alloydb = {
        "name": "a",
        "image": "gcr.io/alloydb-connectors/alloydb-auth-proxy:1.10.1",
        "args": ["projects/p/locations/r/clusters/c/instances/i"],
    }
    body = deployment(alloydb)

    done = migrated(body)

    assert done.output == ACCESS + yaml.safe_dump(body)
