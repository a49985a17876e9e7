"""The chart's objects around the webhook, as helm renders them."""

import subprocess
from typing import Any

import pytest
import yaml

from controlplane import binaries
from support.webhookparts.site import CHART


@pytest.mark.parametrize("replicas", [1, 2])
def test_one_webhook_may_always_be_evicted_so_that_nodes_drain(replicas: int) -> None:
    helm = str(binaries.ensure(print).helm)
    command = [helm, "template", "csql", str(CHART), "--set", f"webhook.replicas={replicas}"]

    rendered = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    objects: list[dict[str, Any]] = [one for one in yaml.safe_load_all(rendered.stdout) if one]
    (budget,) = [one["spec"] for one in objects if one["kind"] == "PodDisruptionBudget"]
    assert (budget["maxUnavailable"], "minAvailable" in budget) == (1, False)
