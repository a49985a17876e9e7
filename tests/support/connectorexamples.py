"""The manifests of examples/02-connectors: each Job as the webhook would make its pod, and the program it runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from support.podshapes import FACTS, environment, injected

DIRECTORY = Path(__file__).parents[2] / "examples" / "02-connectors"
LANGUAGES = ("go", "java", "node", "python")


def program(language: str) -> str:
    """The source that the example's ConfigMap holds."""
    source, _ = _documents(language)
    [text] = source["data"].values()
    return str(text)


def variables(language: str) -> dict[str, str]:
    """The environment of the Job's container after injection."""
    _, job = _documents(language)
    template = job["spec"]["template"]
    body = {"metadata": {"generateName": "who-am-i-", **template["metadata"]}, "spec": template["spec"]}
    return environment(injected(body, replace(FACTS, namespace=job["metadata"]["namespace"])), "whoami")


def _documents(language: str) -> tuple[dict[str, Any], dict[str, Any]]:
    source, job = yaml.safe_load_all((DIRECTORY / f"{language}.yaml").read_text())
    return source, job
