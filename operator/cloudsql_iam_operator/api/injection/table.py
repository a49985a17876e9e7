"""All annotations of pods, by what they are about: drives the parser, the reference and the tests."""

from collections.abc import Mapping
from typing import Any

from cloudsql_iam_operator.api.injection.access import ACCESS
from cloudsql_iam_operator.api.injection.annotation import Annotation, Line
from cloudsql_iam_operator.api.injection.application import APPLICATION
from cloudsql_iam_operator.api.injection.flags import FLAGS
from cloudsql_iam_operator.api.injection.sidecar import SIDECAR


def _as_written(_annotation: str, value: str) -> str:
    return value


STATUS: Annotation[str] = Annotation(
    "status",
    _as_written,
    "",
    Line("JSON", "", "Written by the webhook into what it injected, for people to read; not to be set."),
)
"""Never read as a wish."""

SECTIONS: Mapping[str, tuple[Annotation[Any], ...]] = {
    "Who logs in, and where": ACCESS,
    "What the application gets": APPLICATION,
    "The container of the proxy": SIDECAR,
    "Flags of the proxy": FLAGS,
}
"""Annotations that a pod's author may set, by the heading that they stand under in the reference."""

READ: Mapping[str, Annotation[Any]] = {str(one): one for section in SECTIONS.values() for one in section}
"""The same by name."""

OF_THE_PROXY = frozenset((*SIDECAR, *FLAGS))
"""Annotations that mean nothing where no proxy is injected."""
