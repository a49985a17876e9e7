"""The demo's story as assertions, without a voice; its last step, the uninstall, is played at the end of the run."""

import pytest

from e2e.scenes import Stage
from e2e.story import ENDING, STEPS, Telling
from e2e.waiting import eventually


class Silence:
    """Prints nothing."""

    def note(self, line: str) -> None:
        """Say nothing."""

    def show(self, text: str) -> None:
        """Show nothing."""


@pytest.mark.usefixtures("slow_policies")
def test_the_story_of_the_first_example_holds_from_apply_to_delete(stage: Stage) -> None:
    telling = Telling(stage, Silence())
    steps = [*STEPS, *(step for step in ENDING if "uninstall" not in step[0])]

    for _, part in steps:
        part(telling)

    assert len(steps) == 9
    assert stage.cloud.users() == telling.before["users"]
    stage.chain.kubectl("delete", "namespace", "orders", "--wait=false")
    eventually(lambda: not stage.chain.kubectl.get("namespace", "orders"), "the namespace is gone")
