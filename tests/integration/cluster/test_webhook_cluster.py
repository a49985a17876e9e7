"""Two replicas of the webhook behind a real API server, with the chart's own roles and webhook configuration."""

import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cloudsql_iam_operator.webhook.certificates.certificate import CertificateSet, issued
from e2e.waiting import eventually
from support.webhookparts.manifests import GOOGLE_ACCOUNT, JSON, MARK, annotated, init_containers, service_account, user
from support.webhookparts.site import WEBHOOK, Site, install


def test_an_annotated_pod_gets_a_proxy_that_pod_security_restricted_admits(site: Site, namespace: str) -> None:
    site.apply(service_account(namespace, **{MARK: GOOGLE_ACCOUNT}), user(namespace))

    created = site.create(annotated(namespace, inject="checkout", database="orders"))

    assert init_containers(created) == ["cloudsql-proxy"]
    assert created["spec"]["initContainers"][0]["restartPolicy"] == "Always"
    assert created["spec"]["containers"][0]["env"] == [
        {"name": "PGHOST", "value": "127.0.0.1"},
        {"name": "PGPORT", "value": "5432"},
        {"name": "PGUSER", "value": "checkout@acme-prod.iam"},
        {"name": "PGDATABASE", "value": "orders"},
    ]


def test_a_pod_without_our_annotations_never_reaches_the_webhook(site: Site, namespace: str) -> None:
    site.apply(service_account(namespace))
    before = site.requests()

    created = site.create(annotated(namespace))

    assert init_containers(created) == []
    assert site.requests() == before


def test_a_pod_that_runs_already_is_not_changed_by_an_annotation(site: Site, namespace: str) -> None:
    site.apply(service_account(namespace, **{MARK: GOOGLE_ACCOUNT}), user(namespace))
    site.create(annotated(namespace))
    before = site.requests()

    done = site.kubectl("annotate", "pod", "web", "iam.cloudsql.dev/inject=checkout", "--namespace", namespace)

    assert done.returncode == 0, done.stderr
    after = dict(site.api.get(f"/api/v1/namespaces/{namespace}/pods/web"))
    assert after["metadata"]["annotations"] == {"iam.cloudsql.dev/inject": "checkout"}
    assert init_containers(after) == []
    assert site.requests() == before


def test_a_typing_error_in_an_annotation_is_refused_by_name(site: Site, namespace: str) -> None:
    site.apply(service_account(namespace))

    assert "iam.cloudsql.dev/injekt: no such annotation; did you mean iam.cloudsql.dev/inject?" in site.refusal(
        annotated(namespace, injekt="true")
    )


def test_a_service_account_annotated_after_a_denial_helps_at_once(site: Site, namespace: str) -> None:
    site.apply(service_account(namespace), user(namespace))
    assert "acts as no Google account" in site.refusal(annotated(namespace, inject="true"))

    site.apply(service_account(namespace, **{MARK: GOOGLE_ACCOUNT}))

    assert init_containers(site.create(annotated(namespace, inject="true"))) == ["cloudsql-proxy"]


def test_a_user_created_after_a_denial_helps_at_once(site: Site, namespace: str) -> None:
    site.apply(service_account(namespace, **{MARK: GOOGLE_ACCOUNT}))
    assert f"CloudSQLIAMUser {namespace}/checkout does not exist" in site.refusal(
        annotated(namespace, inject="checkout")
    )

    site.apply(user(namespace))

    assert init_containers(site.create(annotated(namespace, inject="checkout"))) == ["cloudsql-proxy"]


def test_a_service_account_that_acts_as_another_account_is_refused_with_both(site: Site, namespace: str) -> None:
    other = "billing@acme-prod.iam.gserviceaccount.com"
    known = user(namespace)
    known["spec"]["principal"] = {"serviceAccount": GOOGLE_ACCOUNT}
    site.apply(service_account(namespace, **{MARK: other}), known)

    text = site.refusal(annotated(namespace, inject="checkout"))

    assert "acts as <annotation iam.gke.io/gcp-service-account of ServiceAccount checkout>" in text
    assert "logs in as <spec.principal of CloudSQLIAMUser checkout>" in text


def test_a_server_side_dry_run_is_answered_and_writes_nothing(site: Site, namespace: str) -> None:
    site.apply(service_account(namespace, **{MARK: GOOGLE_ACCOUNT}), user(namespace))

    def writes() -> int:
        webhook = f"system:serviceaccount:csql:{WEBHOOK}"
        return sum(event["user"]["username"] == webhook for event in site.plane.audit_events())

    before = writes()

    tried = site.create(annotated(namespace, inject="true"), "--dry-run=server")

    assert init_containers(tried) == ["cloudsql-proxy"]
    assert writes() == before


def test_all_replicas_serve_one_certificate_that_the_api_server_trusts(site: Site) -> None:
    secret = site.secret()
    assert secret is not None
    leaf = x509.load_pem_x509_certificate(base64.b64decode(secret["tls.crt"]))

    assert site.trust() == {base64.b64decode(secret["ca.crt"])}
    for replica in site.replicas:
        served = x509.load_der_x509_certificate(replica.leaf())
        assert served.serial_number == leaf.serial_number


@pytest.mark.parametrize("kind", ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"])
def test_a_ca_bundle_that_somebody_takes_away_is_restored(site: Site, kind: str) -> None:
    before = site.trust()
    wipe = [{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]

    site.kubectl("patch", kind, WEBHOOK, "--type=json", f"--patch={json.dumps(wipe)}")

    eventually(lambda: site.trust() == before, "the caBundle is restored")


def test_a_secret_that_somebody_harms_comes_back_with_the_same_certificate(site: Site) -> None:
    before = site.secret()
    patch = '--patch={"data":{"tls.crt":"eA=="}}'

    assert site.kubectl("patch", patch, "secret", f"{WEBHOOK}-tls", "--namespace", "csql").returncode == 0

    eventually(lambda: site.secret() == before, "the Secret is back")


def test_the_webhook_may_make_no_secret_and_fills_the_one_that_the_chart_makes(site: Site) -> None:
    before = site.secret()
    webhook = f"--as=system:serviceaccount:csql:{WEBHOOK}"
    assert site.kubectl("delete", "secret", f"{WEBHOOK}-tls", "--namespace", "csql").returncode == 0
    eventually(
        lambda: all("the webhook may make none" in replica.log.read_text() for replica in site.replicas),
        "the replicas say what is missing",
    )

    install(site)

    eventually(lambda: site.secret() == before, "the same certificate is in the new Secret")
    assert site.kubectl("auth", "can-i", "create", "secrets", "--namespace", "csql", webhook).stdout == "no\n"
    assert site.kubectl("auth", "can-i", "list", "secrets", "--namespace", "csql", webhook).stdout == "no\n"


def test_a_replica_that_is_told_to_stop_ends_well_and_the_other_serves_on(site: Site, namespace: str) -> None:
    site.apply(service_account(namespace, **{MARK: GOOGLE_ACCOUNT}), user(namespace))
    third = site.start(2)
    eventually(lambda: third.get("/readyz") == 200, "the third replica is ready")

    assert third.stop() == 0
    assert third.get("/healthz") == 0
    assert init_containers(site.create(annotated(namespace, inject="true"))) == ["cloudsql-proxy"]


def test_a_certificate_that_somebody_else_keeps_is_followed(site: Site) -> None:
    def put(certificates: CertificateSet) -> bytes:
        values = {name: base64.b64encode(certificates.values()[name]).decode() for name in ("tls.crt", "tls.key")}
        metadata = {"name": f"{WEBHOOK}-cert", "namespace": "csql"}
        secret = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata}
        site.apply(secret | {"data": values})
        return certificates.leaf.certificate.public_bytes(Encoding.DER)

    trust, name = site.trust(), f"{WEBHOOK}.csql.svc"
    install(site, "webhook.certManager.enabled=true")
    first = put(issued((name,), datetime.now(UTC)))
    replica = site.start(4, WEBHOOK_CERTIFICATES="given", WEBHOOK_SECRET=f"{WEBHOOK}-cert")
    try:
        eventually(lambda: replica.get("/readyz") == 200 and replica.leaf() == first, "the given leaf is served")
        second = put(issued((name,), datetime.now(UTC)))
        eventually(lambda: replica.leaf() == second, "the next one is served")
        assert site.trust() == trust
    finally:
        replica.process.kill()
        replica.process.wait()
        install(site)


def test_rules_and_defaults_of_the_namespace_reach_the_proxy(site: Site, namespace: str) -> None:
    site.apply(service_account(namespace, **{MARK: GOOGLE_ACCOUNT}), user(namespace))
    counted = {"limits.cpu": "4", "requests.cpu": "4", "limits.ephemeral-storage": "1Gi"}
    item = {"type": "Container", "max": {"memory": "200Mi"}, "default": {"cpu": "1", "ephemeral-storage": "64Mi"}}
    site.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "q", "namespace": namespace},
            "spec": {"hard": counted},
        },
        {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "l", "namespace": namespace},
            "spec": {"limits": [item]},
        },
    )
    told = site.kubectl("annotate", "namespace", namespace, "iam.cloudsql.dev/cpu-limit=250m")
    assert told.returncode == 0, told.stderr

    def resources() -> JSON:
        created = site.create(annotated(namespace, inject="checkout", database="orders"), "--dry-run=server")
        found: JSON = created["spec"]["initContainers"][0]["resources"]
        return found

    eventually(lambda: resources()["limits"].get("cpu") == "250m", "the namespace's default is heard of")
    eventually(lambda: resources()["limits"]["memory"] == "200Mi", "the limit range is heard of")

    assert resources() == {
        "requests": {"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "64Mi"},
        "limits": {"cpu": "250m", "memory": "200Mi", "ephemeral-storage": "64Mi"},
    }
