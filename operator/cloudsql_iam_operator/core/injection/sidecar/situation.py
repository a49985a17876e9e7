"""What the proxy of a pod depends on, its containers left aside."""

from dataclasses import dataclass

from cloudsql_iam_operator.api.injection.annotation import Wishes
from cloudsql_iam_operator.core.injection.facts import Facts
from cloudsql_iam_operator.core.injection.pod import Frame
from cloudsql_iam_operator.core.injection.settings import InjectionSettings


@dataclass(frozen=True, slots=True)
class Situation:
    """A pod's frame, what it asks for, what is known about the world around it, and what the administrator decided."""

    frame: Frame
    wishes: Wishes
    facts: Facts
    settings: InjectionSettings
