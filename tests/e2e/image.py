"""What the operator's image has that its processes here have too; there are no images, see `controlplane.kubelet`."""

import re
from pathlib import Path

DOCKERFILE = Path(__file__).resolve().parents[2] / "Dockerfile"


def variables() -> dict[str, str]:
    """The environment variables that the image sets, but for those made of others."""
    last = DOCKERFILE.read_text().rpartition("\nFROM ")[2]
    told = re.findall(r"^ENV (.+)$", last, re.MULTILINE)
    pairs = (pair.split("=", 1) for line in told for pair in line.split())
    return {name: value for name, value in pairs if "$" not in value}
