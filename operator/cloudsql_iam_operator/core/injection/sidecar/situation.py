"""What the proxy of a pod depends on."""

from dataclasses import dataclass

from cloudsql_iam_operator.api.injection.annotation import Wishes
from cloudsql_iam_operator.core.injection.facts import Facts
from cloudsql_iam_operator.core.injection.pod import Pod
from cloudsql_iam_operator.core.injection.settings import InjectionSettings


@dataclass(frozen=True, slots=True)
class Situation:
    """A pod, what it asks for, what is known about the world around it, and what the administrator decided."""

    pod: Pod
    wishes: Wishes
    facts: Facts
    settings: InjectionSettings
