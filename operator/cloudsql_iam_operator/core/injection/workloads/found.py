"""Pods and pod templates in manifests, of every kind that makes pods, and in lists of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cloudsql_iam_operator.core.injection.pod import MalformedPod

Steps = tuple[str | int, ...]
"""Where something is in a document: names of members, and indexes of lists."""

_TEMPLATE = ("spec", "template")
TEMPLATES: Mapping[tuple[str, str], tuple[str, ...]] = MappingProxyType(
    {
        ("", "Pod"): (),
        ("", "PodTemplate"): ("template",),
        ("", "ReplicationController"): _TEMPLATE,
        **{("apps", kind): _TEMPLATE for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")},
        ("batch", "Job"): _TEMPLATE,
        ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
        ("argoproj.io", "Rollout"): _TEMPLATE,
    }
)
"""Where the pod template of each kind is, by API group and kind; () for a pod itself."""


@dataclass(frozen=True, slots=True)
class Found:
    """A pod or pod template: the kind and name of the object it is in, its namespace, and where it is in the document.

    `namespace` is "" where the object names none.
    """

    kind: str
    name: str
    namespace: str
    steps: Steps
    template: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name or '(without a name)'}"

    @property
    def pod(self) -> dict[str, Any]:
        """The pod as its controller would make it, or as it stands."""
        metadata = dict(_mapping(self.template.get("metadata"), "metadata"))
        if self.kind != "Pod":
            metadata.pop("name", None)
            metadata["generateName"] = f"{self.name}-"
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": self.template.get("spec")}


def found(document: Any, steps: Steps = ()) -> Iterator[Found]:
    """Pods and pod templates of a document, in their order; of other objects nothing.

    Raises:
        MalformedPod: an object that should hold one has something else in its place.
    """
    body = _mapping(document, "the document")
    version, kind = body.get("apiVersion"), body.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        return
    if kind.endswith("List") and isinstance(body.get("items"), list):
        for index, item in enumerate(body["items"]):
            yield from found(item, (*steps, "items", index))
        return
    group = version.rpartition("/")[0]
    path = TEMPLATES.get((group, kind))
    if path is None:
        return
    metadata = _mapping(body.get("metadata"), "metadata")
    template = body
    for step in path:
        template = _mapping(template.get(step), step)
    name, namespace = (_text(metadata.get(member)) for member in ("name", "namespace"))
    yield Found(kind, name or _text(metadata.get("generateName")), namespace, (*steps, *path), template)


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedPod(f"{what} is {type(value).__name__}, an object was expected")
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
