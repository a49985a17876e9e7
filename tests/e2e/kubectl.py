"""The real kubectl, as a person runs it."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2e.objects import Objects, Refusal


class Kubectl(Objects):
    """kubectl with one kubeconfig; called, it runs. What it has from Objects starts no process."""

    def __init__(self, binary: Path, kubeconfig: Path) -> None:
        super().__init__(kubeconfig)
        self.binary = binary

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
