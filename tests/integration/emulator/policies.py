"""The policy of the emulated project acme-prod: how tests read and write it, and are refused."""

from typing import Any

import pytest
from googleapiclient.errors import HttpError

from cloudsql_emulator.acme import (
    PROJECT,
)
from cloudsql_emulator.clients import error_of

V3 = {"options": {"requestedPolicyVersion": 3}}
RESOURCE = f"projects/{PROJECT}"
LOGIN_ROLE = "roles/cloudsql.instanceUser"
ONE_INSTANCE = (
    "resource.name == 'projects/acme-prod/instances/orders' && resource.type == 'sqladmin.googleapis.com/Instance'"
)


def read(projects: Any) -> Any:
    return projects.getIamPolicy(resource=RESOURCE, body=V3).execute()


def write(projects: Any, written: Any, **more: object) -> Any:
    return projects.setIamPolicy(resource=RESOURCE, body={"policy": written, **more}).execute()


def with_binding(read_policy: Any, role: str, *members: str, condition: str = "") -> Any:
    binding: dict[str, Any] = {"role": role, "members": list(members)}
    if condition:
        binding["condition"] = {"title": "test", "expression": condition}
    return {**read_policy, "bindings": [*read_policy["bindings"], binding]}


def refused(projects: Any, written: Any) -> tuple[int, str, str]:
    with pytest.raises(HttpError) as caught:
        write(projects, written)
    told = error_of(caught.value)
    return told["code"], told["status"], told["message"]
