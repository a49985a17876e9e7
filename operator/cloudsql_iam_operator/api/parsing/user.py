"""Parsing a CloudSQLIAMUser. Limits and defaults are the CRD's."""

import sys
from collections.abc import Mapping
from typing import Any

from cloudsql_iam_operator.api.metadata import Metadata
from cloudsql_iam_operator.api.names import USER
from cloudsql_iam_operator.api.parsing import texts
from cloudsql_iam_operator.api.parsing.fields import Fields, read
from cloudsql_iam_operator.api.parsing.metadata import parse_metadata
from cloudsql_iam_operator.api.parsing.principals import named, principal
from cloudsql_iam_operator.api.user import AdoptionPolicy, CloudSQLIAMUser, OwnedObjects, UserDeletion, UserMode


def parse_user(body: Mapping[str, Any]) -> CloudSQLIAMUser:
    """The CloudSQLIAMUser that an API object is, defaults filled in.

    Raises:
        InvalidObject: a field cannot be meant so.
    """
    metadata = parse_metadata(body, USER)
    return read(body.get("spec"), "spec", lambda spec: _user(spec, metadata))


def _user(spec: Fields, metadata: Metadata) -> CloudSQLIAMUser:
    on_owned_objects = spec.choice("onOwnedObjects", OwnedObjects, OwnedObjects.BLOCK)
    return CloudSQLIAMUser(
        metadata=metadata,
        instance=sys.intern(spec.nested("instanceRef", named)),
        principal=spec.nested("principal", principal),
        database_roles=spec.texts("databaseRoles", texts.ROLE, 50),
        expires_at=spec.instant("expiresAt"),
        adoption_policy=spec.choice("adoptionPolicy", AdoptionPolicy, AdoptionPolicy.NEVER),
        deletion_policy=spec.choice("deletionPolicy", UserDeletion, UserDeletion.DELETE),
        on_owned_objects=on_owned_objects,
        reassign_owned_to=_reassign_owned_to(spec, on_owned_objects),
        mode=spec.choice("mode", UserMode, UserMode.RECONCILE),
        suspend=spec.flag("suspend"),
    )


def _reassign_owned_to(spec: Fields, on_owned_objects: OwnedObjects) -> str:
    if spec.given("reassignOwnedTo") != (on_owned_objects is OwnedObjects.REASSIGN):
        raise spec.refusal("reassignOwnedTo", "is needed with onOwnedObjects: Reassign, and allowed only there")
    return spec.text("reassignOwnedTo", texts.ROLE, "")
