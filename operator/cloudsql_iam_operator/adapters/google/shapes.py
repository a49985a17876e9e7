"""What successful answers look like, as far as decisions rest on them. Anything else proves nothing."""

from collections.abc import Mapping
from typing import Any


def is_instance(answer: Mapping[str, Any]) -> bool:
    """Whether it is a DatabaseInstance with all that decides whether users can be made on it.

    Source: Cloud SQL Admin API v1, DatabaseInstance
    """
    settings = answer.get("settings")
    return (
        answer.get("kind") == "sql#instance"
        and all(_is_text(answer.get(name)) for name in ("name", "state", "databaseVersion", "region"))
        and isinstance(settings, Mapping)
        and _are_objects(settings.get("databaseFlags", []))
        and _are_objects(answer.get("ipAddresses", []))
        and _are_objects(answer.get("dnsNames", []))
        and isinstance(settings.get("ipConfiguration", {}), Mapping)
        and isinstance(settings.get("ipConfiguration", {}).get("pscConfig", {}), Mapping)
        and isinstance(answer.get("serverCaCert", {}), Mapping)
    )


def is_users_list(answer: Mapping[str, Any]) -> bool:
    """Whether it is a list of users, which may be empty: only its kind tells an empty list from an empty answer.

    Source: Cloud SQL Admin API v1, UsersListResponse
    """
    items = answer.get("items", [])
    return answer.get("kind") == "sql#usersList" and _are_objects(items) and all(_is_text(u.get("name")) for u in items)


def is_operation(answer: Mapping[str, Any]) -> bool:
    """Whether it is an operation, under way or done.

    Source: Cloud SQL Admin API v1, Operation
    """
    return answer.get("kind") == "sql#operation" and _is_text(answer.get("name")) and _is_text(answer.get("status"))


def is_policy(answer: Mapping[str, Any]) -> bool:
    """Whether it is an IAM policy. An empty one has an etag too; without one it can be neither believed nor written.

    Source: IAM, Policy
    """
    bindings = answer.get("bindings", [])
    return _is_text(answer.get("etag")) and _are_objects(bindings) and all(map(_is_binding, bindings))


def _is_binding(entry: Mapping[str, Any]) -> bool:
    members = entry.get("members", [])
    condition = entry.get("condition") or {}
    return (
        _is_text(entry.get("role"))
        and isinstance(members, list)
        and all(map(_is_text, members))
        and isinstance(condition, Mapping)
    )


def _are_objects(items: object) -> bool:
    return isinstance(items, list) and all(isinstance(each, Mapping) for each in items)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""
