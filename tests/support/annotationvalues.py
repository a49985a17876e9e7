"""For every annotation of pods: values with what they mean, and values that cannot be meant."""

from collections.abc import Mapping
from typing import Any

from cloudsql_iam_operator.api.injection.access import IdentityMode, Inject, OnError, Wait, Way
from cloudsql_iam_operator.api.injection.application import Environment
from cloudsql_iam_operator.api.injection.instances import Address, InstanceWish
from cloudsql_iam_operator.api.injection.sidecar import Native, PullPolicy
from cloudsql_iam_operator.api.injection.values import Containers, SecretKey

ACCOUNT = "app@acme.iam.gserviceaccount.com"
BOOLEANS = [("true", True), ("True", True), ("yes", True), ("on", True), ("false", False), ("off", False)]
PORTS: list[tuple[str, Any]] = [("6543", 6543), ("1024", 1024), ("65535", 65535)]
QUANTITIES = [(text, text) for text in ("50m", "64Mi", "0", "1e3", "0.5", ".5G")]
SECONDS = [("30s", 30), ("1m30s", 90), ("0s", 0)]
PLAIN = [("acme-prod", "acme-prod"), ("https://sqladmin.example/", "https://sqladmin.example/")]

GOOD: Mapping[str, list[tuple[str, Any]]] = {
    "inject": [
        ("checkout", Inject(Way.SIDECAR, "checkout")),
        *((word, Inject(Way.SIDECAR)) for word in ("true", "True", "TRUE", "yes", "on")),
        *((word, Inject(Way.NONE)) for word in ("false", "False", "no", "off")),
        ("env", Inject(Way.CONNECTOR)),
    ],
    "user": [("checkout", ("checkout",)), ("b, a,b", ("b", "a"))],
    "instances": [
        ("p:r:i", (InstanceWish("p:r:i"),)),
        (
            "google.com:proj:r:i, db.acme.example",
            (InstanceWish("google.com:proj:r:i"), InstanceWish("db.acme.example")),
        ),
        (
            '[{"name": "p:r:i", "port": 6000, "ipType": "PSC", "socket": "/run/x/"}, "p:r:j"]',
            (InstanceWish("p:r:i", 6000, Address.PSC, "/run/x"), InstanceWish("p:r:j")),
        ),
    ],
    "database": [("orders", "orders"), ("Ä b", "Ä b")],
    "auto-iam-authn": BOOLEANS,
    "ip-type": [("public", Address.PUBLIC), ("Private", Address.PRIVATE), ("psc", Address.PSC), ("auto", Address.AUTO)],
    "impersonate": [(ACCOUNT, ACCOUNT), (ACCOUNT.upper(), ACCOUNT)],
    "impersonate-delegates": [(f"{ACCOUNT}, B@p.iam.gserviceaccount.com", (ACCOUNT, "b@p.iam.gserviceaccount.com"))],
    "credentials-secret": [("key", SecretKey("key", "credentials.json")), ("key:a.json", SecretKey("key", "a.json"))],
    "identity-check": [("enforce", IdentityMode.ENFORCE), ("Warn", IdentityMode.WARN)],
    "on-error": [("deny", OnError.DENY), ("skip", OnError.SKIP)],
    "wait": [("ready", Wait.READY), ("propagated", Wait.PROPAGATED), ("none", Wait.NONE)],
    "network-policy": BOOLEANS,
    "containers": [
        ("web, worker", Containers(every=False, names=("web", "worker"))),
        ("*", Containers(every=True)),
        ("*,!metrics", Containers(every=True, excluded=("metrics",))),
        ("!metrics", Containers(every=True, excluded=("metrics",))),
    ],
    "env": [
        ("pg", Environment.PG),
        ("prefix", Environment.PREFIX),
        ("url", Environment.URL),
        ("none", Environment.NONE),
    ],
    "env-prefix": [("DB_", "DB_"), ("_", "_")],
    "port": PORTS,
    "unix-socket": [("/run/cloudsql", "/run/cloudsql"), ("/run/sql/", "/run/sql")],
    "image": [("registry.example.com:5000/proxy:2.27.0", "registry.example.com:5000/proxy:2.27.0")],
    "image-pull-policy": [("Always", PullPolicy.ALWAYS), ("IfNotPresent", PullPolicy.IF_NOT_PRESENT)],
    "cpu-request": QUANTITIES,
    "memory-request": QUANTITIES,
    "cpu-limit": QUANTITIES,
    "memory-limit": QUANTITIES,
    "native-sidecar": [("auto", Native.AUTO), ("true", Native.TRUE), ("false", Native.FALSE)],
    "http-port": PORTS,
    "admin-port": PORTS,
    "readiness-probe": BOOLEANS,
    "prometheus": [*BOOLEANS, *PORTS],
    "lazy-refresh": BOOLEANS,
    "max-connections": [("0", 0), ("100", 100)],
    "min-sigterm-delay": SECONDS,
    "max-sigterm-delay": SECONDS,
    "run-connection-test": BOOLEANS,
    "quiet": BOOLEANS,
    "debug-logs": BOOLEANS,
    "telemetry-project": PLAIN,
    "telemetry-sample-rate": [("1", 1), ("10000", 10000)],
    "telemetry-prefix": PLAIN,
    "disable-traces": BOOLEANS,
    "disable-metrics": BOOLEANS,
    "quota-project": PLAIN,
    "sql-admin-api-endpoint": PLAIN,
    "universe-domain": PLAIN,
    "extra-args": [('["--a=b", "--c"]', ("--a=b", "--c")), ("[]", ())],
}

MANY = ",".join(f"a{number}" for number in range(101))
BAD_BOOLEANS = ["", "1", "maybe", "y\nes"]
BAD_PORTS = ["0", "443", "1023", "70000", "abc", "5432.0", "", "-1", "٥٤٣٢", "5432,5433"]
BAD_QUANTITIES = ["64mb", "1K", "-1", "", "1e3Mi"]
BAD_SECONDS = ["30", "-1s", "", "1.5s", "30 s", "٣s"]
BAD_PLAIN = ["", "a b", "a\nb", "--token=x y", "ä"]
SYSTEM = ["/etc", "/usr/", "/run", "/proc", "/proc/1", "/dev/shm", "/sys/fs", "/var/run/secrets/kubernetes.io"]
HOSTILE = [
    "p:r:i?private-ip=true",
    "p:r:i --token=x",
    "p:r:i\n--token=x",
    "--token=x",
    "p:r",
    "a",
    "",
    "p:r:i,",
    "p:r:i,p:r:i",
]
BAD: Mapping[str, list[str]] = {
    "inject": ["", "1", "0", "checkout!", "orders/checkout", "Checkout", "a\nb"],
    "user": ["", "a,", "orders/checkout", "A", MANY],
    "instances": [
        *HOSTILE,
        "[",
        "[]",
        "[" * 5000,
        "[1]",
        "[[]]",
        '[{"name": 1}]',
        '[{"name": "p:r:i", "prot": 1}]',
        '[{"name": "p:r:i", "port": "5432"}]',
        '[{"name": "p:r:i", "port": 80}]',
        '[{"name": "p:r:i", "port": true}]',
        '[{"name": "p:r:i", "ipType": "vpn"}]',
        '[{"name": "p:r:i", "ipType": [[]]}]',
        '[{"name": "p:r:i", "socket": "run"}]',
        '[{"name": "p:r:i", "socket": {}}]',
    ],
    "database": ["", "a\nb", "x" * 64],
    "auto-iam-authn": BAD_BOOLEANS,
    "ip-type": ["", "vpn", "private,psc"],
    "impersonate": ["", "someone@example.com", "a b@p.iam.gserviceaccount.com"],
    "impersonate-delegates": ["", f"{ACCOUNT},", "x", MANY],
    "credentials-secret": ["", "Key", "key:", "key:../x", "a/b"],
    "identity-check": ["", "off"],
    "on-error": ["", "ignore"],
    "wait": ["", "true", "30s"],
    "network-policy": BAD_BOOLEANS,
    "containers": ["", "web,", "web,*", "web,!metrics", "Web", "!", MANY],
    "env": ["", "PGHOST", "true"],
    "env-prefix": ["", "db_", "1A", "A-B", "A_" * 40, "PG"],
    "port": BAD_PORTS,
    "unix-socket": ["", "/", "run/sql", "/run/../etc", "/run//sql", "/a b", "/" + "x" * 90, "/run,/x", *SYSTEM],
    "image": ["", "proxy:", "Proxy", "registry/ proxy", "proxy@sha256:12", "--token=x", "a\nb"],
    "image-pull-policy": ["", "Sometimes"],
    "cpu-request": BAD_QUANTITIES,
    "memory-request": BAD_QUANTITIES,
    "cpu-limit": BAD_QUANTITIES,
    "memory-limit": BAD_QUANTITIES,
    "native-sidecar": ["", "yes"],
    "http-port": BAD_PORTS,
    "admin-port": BAD_PORTS,
    "readiness-probe": BAD_BOOLEANS,
    "prometheus": ["", "maybe", "80", "70000"],
    "lazy-refresh": BAD_BOOLEANS,
    "max-connections": ["", "-1", "1.5", "many", "1000001"],
    "min-sigterm-delay": BAD_SECONDS,
    "max-sigterm-delay": BAD_SECONDS,
    "run-connection-test": BAD_BOOLEANS,
    "quiet": BAD_BOOLEANS,
    "debug-logs": BAD_BOOLEANS,
    "telemetry-project": BAD_PLAIN,
    "telemetry-sample-rate": ["", "0", "x"],
    "telemetry-prefix": BAD_PLAIN,
    "disable-traces": BAD_BOOLEANS,
    "disable-metrics": BAD_BOOLEANS,
    "quota-project": BAD_PLAIN,
    "sql-admin-api-endpoint": BAD_PLAIN,
    "universe-domain": BAD_PLAIN,
    "extra-args": ["", "--a", "{}", '["a"]', '["--"]', '["-t=x"]', "[1]", '["--a\\nb"]', "[" * 5000],
}
