"""The operator reads the Secrets that instances name, of its own namespace, and no others."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from cloudsql_iam_operator.adapters.postgres.connect import Connectors
from cloudsql_iam_operator.api.instance import CloudSQLInstance, SecretRef
from cloudsql_iam_operator.api.parsing.instance import parse_instance
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.instances import InstanceFacts
from cloudsql_iam_operator.services.identities.databases import Accesses, Secrets

PACKAGE = Path(__file__).parents[3] / "operator" / "cloudsql_iam_operator"
INSTANCE = parse_instance(
    {
        "metadata": {"name": "orders", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "connectionName": "acme:eu:orders",
            "admin": {"database": {"secretRef": {"name": "orders-admin"}}},
        },
    }
)


@dataclass(slots=True)
class Vault:
    """A cluster that notes which Secrets are read, and has none."""

    read: list[tuple[str, str]] = field(default_factory=list)

    def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        self.read.append((namespace, name))
        return None


def with_secret(instance: CloudSQLInstance, secret: SecretRef | None) -> CloudSQLInstance:
    database = replace(instance.admin.database, secret=secret)
    return replace(instance, admin=replace(instance.admin, database=database))


def test_an_instances_secret_is_looked_for_in_the_operators_namespace_alone() -> None:
    vault = Vault()
    accesses = Accesses(Secrets(vault, "csql"), None, Connectors(), lambda: None)  # type: ignore[arg-type] # the seam

    for name in ("orders-admin", "other"):
        with pytest.raises(NotYet, match=f"Secret csql/{name}, named by CloudSQLInstance orders, does not exist"):
            accesses.of(with_secret(INSTANCE, SecretRef(name)), InstanceFacts.__new__(InstanceFacts))

    assert vault.read == [("csql", "orders-admin"), ("csql", "other")]


def test_nothing_else_of_the_operator_reads_secrets() -> None:
    calls = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "secret"
    }

    certificates = {"webhook/certificates/given.py", "webhook/certificates/keeper.py"}
    assert calls == {"services/identities/databases.py", *certificates}
