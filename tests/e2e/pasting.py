"""What a stranger does who pastes the lines of a page: into a shell that has kubectl, helm and gcloud, one by one."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from clients import gcloud
from clients.ground import run
from e2e.chain import ROOT
from e2e.cloud import OWNER
from e2e.scenes import Stage
from e2e.waiting import eventually
from support.pages import Command

HAS_GCLOUD = shutil.which("gcloud") is not None


class Desk:
    """A folder with this repository's files in it, and a shell."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self._stage = stage
        self.folder = folder
        self.done: list[str] = []
        for name in ("charts", "examples"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "bin").mkdir()
        for name, program in (("kubectl", stage.chain.binaries.kubectl), ("helm", stage.chain.binaries.helm)):
            (folder / "bin" / name).symlink_to(program)

    def paste(self, command: Command) -> None:
        """Do a line of the page, and see what the page says that it prints.

        Raises:
            AssertionError: it fails, or prints something else.
        """
        program = command.text.split()[0]
        self.done.append(program)
        if program == "GRANT":
            self._stage.cloud.sql("orders", command.text)
        elif program == "docker":  # no engine runs here: the node knows the image that the page pushes
            assert command.text.split()[1] in {"build", "push"}, command.text
        elif command.printed:
            eventually(lambda: "\n".join(command.printed) in self._shell(command.text), f"{command} prints that")
        else:
            self._shell(command.text)

    def _shell(self, text: str) -> str:
        chain = self._stage.chain
        script = f"cd {self.folder}\n{text}\n"
        seen = (str(ROOT), sys.prefix, str(chain.directory))
        trust = chain.directory / "trust.crt"
        ran = run(self.folder, trust, seen, ["bash", "-euo", "pipefail", "-c", script], self._environment())
        assert ran.code == 0, f"{text}\n{ran.output}\n{ran.errors}"
        return f"{ran.output}\n{ran.errors}"

    def _environment(self) -> Mapping[str, str]:
        chain = self._stage.chain
        google = gcloud.environment(self.folder, self._stage.cloud.control, OWNER, chain.directory / "trust.crt")
        path = f"{self.folder}/bin:/usr/local/bin:/usr/bin:/bin"
        helm = {f"HELM_{name}_HOME": f"/tmp/helm-{name.lower()}" for name in ("CACHE", "CONFIG", "DATA")}
        return {**google, **helm, "KUBECONFIG": str(chain.plane.admin), "PATH": path}
