"""Whether a kind's own definition is being deleted: asked anew for every deletion, and once for many at once."""

import asyncio

from cloudsql_iam_operator.api.names import USER, Kind
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.runtime.threads import Threads


class Definitions:
    def __init__(self) -> None:
        self.going = False
        self.asked = 0

    def kind_is_going(self, kind: Kind) -> bool:
        self.asked += 1
        return self.going


def test_a_thousand_deletions_at_once_ask_for_the_definition_a_few_times() -> None:
    async def story() -> int:
        definitions, threads = Definitions(), Threads(2)
        systems = Systems(definitions, threads, None, None, "")  # type: ignore[arg-type] # the rest is not asked
        assert not any(await asyncio.gather(*(systems.kind_is_going(USER) for _ in range(1000))))
        threads.close()
        return definitions.asked

    assert asyncio.run(story()) <= 2


def test_a_definition_that_is_deleted_after_one_look_is_seen_by_the_next() -> None:
    async def story() -> tuple[bool, bool]:
        definitions, threads = Definitions(), Threads(2)
        systems = Systems(definitions, threads, None, None, "")  # type: ignore[arg-type] # the rest is not asked
        before = await systems.kind_is_going(USER)
        definitions.going = True
        after = await systems.kind_is_going(USER)
        threads.close()
        return before, after

    assert asyncio.run(story()) == (False, True)
