"""Objects as the API server stores them, over one connection: a kubectl for each look would cost most of a run."""

import tempfile
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from urllib3.exceptions import HTTPError

from controlplane.kubelet.api import Api, Refused
from e2e.waiting import eventually

T = TypeVar("T")

_OURS = "/apis/iam.cloudsql.dev/v1alpha1"
_OURS_BY_WORD = {"csqli": "cloudsqlinstances", "csqlu": "cloudsqliamusers", "dbg": "databasegrants"}
_CORE = ("configmap", "event", "namespace", "pod", "secret", "serviceaccount")
_PLACES = {
    **{word: f"{_OURS}/{{}}{plural}" for word, plural in _OURS_BY_WORD.items()},
    **{plural[:-1]: f"{_OURS}/{{}}{plural}" for plural in _OURS_BY_WORD.values()},
    **{word: f"/api/v1/{{}}{word}s" for word in _CORE},
    "crd": "/apis/apiextensions.k8s.io/v1/{}customresourcedefinitions",
    "deployment": "/apis/apps/v1/{}deployments",
    "job": "/apis/batch/v1/{}jobs",
}
"""Where objects are, by the word that kubectl takes or the kind that a manifest names, in small letters, singular."""

_WITHOUT_NAMESPACE = frozenset({"csqli", "cloudsqlinstance", "crd", "namespace"})


class Refusal(AssertionError):
    """The API server refused, or did not answer; the text is its own."""


class Objects:
    """What one kubeconfig may see and declare."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        """An object as stored; {} when it does not exist."""
        found = _asked(lambda: self._api.find(f"{_place(kind, namespace)}/{name}"))
        return dict(found or {})

    def list(self, kind: str, namespace: str = "", *, labels: str = "", fields: str = "") -> list[dict[str, Any]]:
        """Objects of a kind in a namespace, `default` when none is given; the selectors are Kubernetes' own."""
        place = f"{_place(kind, namespace)}?{urlencode({'labelSelector': labels, 'fieldSelector': fields})}"
        items: list[dict[str, Any]] = _asked(lambda: self._api.get(place))["items"]
        return items

    def declare(self, manifest: Mapping[str, Any]) -> None:
        """Apply one object on the server's side.

        Raises:
            Refusal: the server does not take it; a field that it does not know is no small matter.
        """
        meta = manifest["metadata"]
        place = f"{_place(manifest['kind'], meta.get('namespace', ''))}/{meta['name']}"
        _asked(lambda: self._api.apply(place, manifest, "tests"))

    def annotate(self, kind: str, name: str, namespace: str, annotations: Mapping[str, str | None]) -> None:
        """Set annotations; one that is None is taken off."""
        self.patch(kind, name, namespace, {"metadata": {"annotations": annotations}})

    def patch(self, kind: str, name: str, namespace: str, body: Mapping[str, Any], part: str = "") -> None:
        """Merge into an object, or into a part of it such as `status`."""
        place = f"{_place(kind, namespace)}/{name}{'/' if part else ''}{part}"
        _asked(lambda: self._api.patch(place, body))

    def delete(self, kind: str, *names: str, namespace: str = "", wait: bool = True) -> None:
        """Delete objects as far as there are any, and return when they are gone unless told not to wait."""
        for name in names:
            _asked(partial(self._api.drop, f"{_place(kind, namespace)}/{name}"))
        for name in names if wait else ():
            self.gone(kind, name, namespace)

    def delete_all(self, kind: str, namespace: str) -> None:
        """Ask for the end of all objects of a kind in a namespace, in one call."""
        _asked(lambda: self._api.drop(_place(kind, namespace)))

    def condition(self, kind: str, name: str, type_: str, namespace: str = "") -> dict[str, Any]:
        """One condition of an object; {} when it has none such."""
        conditions = self.get(kind, name, namespace).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == type_), {})

    def ready(
        self, kind: str, name: str, namespace: str = "", *, status: str = "True", reason: str = ""
    ) -> dict[str, Any]:
        """The Ready condition once it has this status and reason, for the generation that is stored."""

        def look() -> dict[str, Any]:
            stored = self.get(kind, name, namespace)
            told: dict[str, Any] = next(
                (c for c in stored.get("status", {}).get("conditions", []) if c["type"] == "Ready"), {}
            )
            assert stored, f"{kind} {name} does not exist"
            assert told.get("status") == status, told
            assert not reason or told.get("reason") == reason, told
            assert told.get("observedGeneration") == stored["metadata"]["generation"], told
            return told

        return eventually(look, f"{kind} {name} is Ready={status} {reason}")

    def gone(self, kind: str, name: str, namespace: str = "") -> None:
        """Return once the object exists no more."""
        eventually(lambda: not self.get(kind, name, namespace), f"{kind} {name} is gone")

    @cached_property
    def _api(self) -> Api:
        return Api(self.kubeconfig, Path(tempfile.mkdtemp(prefix=".login-", dir=self.kubeconfig.parent)))


def _place(kind: str, namespace: str) -> str:
    """The path of a kind's objects in a namespace, `default` when none is given."""
    word = kind.lower().removesuffix("s")
    inside = "" if word in _WITHOUT_NAMESPACE else f"namespaces/{namespace or 'default'}/"
    return _PLACES[word].format(inside)


def _asked(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except (Refused, HTTPError) as error:
        raise Refusal(str(error)) from error
