"""What of a body is remembered."""

import copy
from typing import Any

from cloudsql_iam_operator.api.bodies import declared_instance, opened, remembered
from support.conditions import READY

BODY: dict[str, Any] = {
    "apiVersion": "iam.cloudsql.dev/v1alpha1",
    "kind": "DatabaseGrant",
    "metadata": {
        "name": "orders",
        "namespace": "team",
        "uid": "u1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": ["iam.cloudsql.dev/finalizer"],
        "generation": 3,
        "resourceVersion": "17",
        "labels": {"team": "orders"},
        "managedFields": [{"manager": "kubectl"}],
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "iam.cloudsql.dev/approve": "a1b2",
            "reconcile.iam.cloudsql.dev/requestedAt": "now",
        },
    },
    "spec": {"instanceRef": {"name": "orders-prod"}, "database": "orders", "grants": [{"kind": "Schema"}]},
    "status": {"observedGeneration": 3, "conditions": [READY]},
}


def test_what_nobody_asks_for_is_not_remembered() -> None:
    assert opened(remembered(BODY)) == {
        "kind": "DatabaseGrant",
        "metadata": {
            "name": "orders",
            "namespace": "team",
            "uid": "u1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": ["iam.cloudsql.dev/finalizer"],
            "generation": 3,
            "resourceVersion": "17",
            "annotations": {
                "iam.cloudsql.dev/approve": "a1b2",
                "reconcile.iam.cloudsql.dev/requestedAt": "now",
            },
        },
        "spec": {"instanceRef": {"name": "orders-prod"}},
        "status": {"observedGeneration": 3, "conditions": [READY]},
    }


def test_equal_conditions_of_two_objects_are_kept_once() -> None:
    one, other = remembered(BODY), remembered(copy.deepcopy(BODY))

    assert one.conditions is other.conditions
    assert one.rest is not other.rest


def test_an_object_without_annotations_status_or_a_readable_reference_is_remembered() -> None:
    bare = {"kind": "DatabaseGrant", "metadata": {"name": "a", "annotations": None}, "spec": "odd", "status": None}

    kept = opened(remembered(bare))

    assert kept["metadata"] == {"name": "a"}
    assert (kept["status"], declared_instance(kept)) == ({}, "")
