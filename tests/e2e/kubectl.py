"""The real kubectl, as a person runs it."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.waiting import eventually


class Refusal(AssertionError):
    """The API server refused; the text is what kubectl printed."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with one kubeconfig."""

    binary: Path
    kubeconfig: Path

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """What the command printed.

        Raises:
            Refusal: it failed.
        """
        command = [str(self.binary), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise Refusal(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, manifest: str | Path | Mapping[str, Any]) -> str:
        """Apply a file, a text, or one object."""
        if isinstance(manifest, Path):
            return self("apply", "-f", str(manifest))
        return self("apply", "-f", "-", stdin=manifest if isinstance(manifest, str) else json.dumps(manifest))

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        """An object as stored; {} when it does not exist."""
        place = ("-n", namespace) if namespace else ()
        text = self("get", kind, name, *place, "-o", "json", "--ignore-not-found", "--show-managed-fields")
        return json.loads(text) if text else {}

    def list(self, kind: str, *selection: str) -> list[dict[str, Any]]:
        """Objects of a kind; `selection` are kubectl's own flags."""
        items: list[dict[str, Any]] = json.loads(self("get", kind, *selection, "-o", "json"))["items"]
        return items

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
