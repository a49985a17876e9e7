"""A status of each kind with every field that the operator writes."""

from typing import Any

from cloudsql_iam_operator.api.names import GRANT, INSTANCE, USER

Json = dict[str, Any]


STATUSES: dict[str, Json] = {
    INSTANCE.name: {
        "databaseVersion": "POSTGRES_16",
        "state": "RUNNABLE",
        "iamAuthenticationEnabled": True,
        "ipTypes": ["PUBLIC", "PRIVATE", "PSC"],
        "users": {"managed": 12, "foreign": 4},
        "iamPolicy": {"principals": 213, "limit": 1500},
    },
    USER.name: {
        "username": "checkout@acme-orders.iam",
        "member": "serviceAccount:checkout@acme-orders.iam.gserviceaccount.com",
        "userType": "CLOUD_IAM_SERVICE_ACCOUNT",
        "instance": "acme-prod:europe-west1:orders",
        "iam": {
            "bindings": [{"role": "roles/cloudsql.client", "condition": "", "added": True}],
            "propagationUntil": "2026-12-01T00:00:00Z",
        },
        "adopted": False,
        "created": True,
        "databaseRoles": ["app_ro"],
        "expiresAt": "2026-12-01T00:00:00Z",
    },
    GRANT.name: {
        "instance": "acme-prod:europe-west1:orders",
        "database": "orders",
        "grantees": [{"name": "checkout", "role": "checkout@acme-orders.iam", "exists": True, "truncated": False}],
        "observed": {
            "desired": 9,
            "held": 8,
            "missing": 1,
            "excess": 0,
            "foreign": 3,
            "unreachable": 0,
            "ofExtensions": 4,
        },
        "applied": [
            {
                "roles": ["app_ro"],
                "places": [
                    {
                        "schemas": ["app"],
                        "grants": [
                            {
                                "kind": "Column",
                                "names": ["*"],
                                "columns": ["id"],
                                "privileges": ["SELECT"],
                                "option": False,
                                "except": ["secrets"],
                            }
                        ],
                    }
                ],
            }
        ],
        "plan": {"hash": "sha256:00", "statements": 1, "sample": ["GRANT"]},
        "residual": [{"role": "app_ro", "privilege": "EXECUTE", "through": "PUBLIC", "objects": 4}],
        "last": {"granted": 12, "revoked": 0, "statements": 2, "sample": ["GRANT"]},
    },
}
