"""What lanes are tried on: a world whose passes take their time, and calls that come when they like."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudsql_iam_operator.services.lanes.lane import Lane, PassResult
from cloudsql_iam_operator.services.waiting import ranks
from cloudsql_iam_operator.services.waiting.pace import Pace
from cloudsql_iam_operator.services.waiting.ranks import Overtaken, Rank

PACE = Pace(quiet=0.3, longest=5.0)


class Broken(Exception):
    """A pass failed as a whole."""


@dataclass(frozen=True)
class Said:
    """An answer: by which pass, which is no part of what it says, for what want, and whether that took a change."""

    number: int = field(compare=False)
    want: int
    changed: bool


@dataclass
class Pass:
    """A pass as it went."""

    began: float
    wants: Mapping[str, int]
    ended: float = float("inf")
    failed: bool = False
    left: frozenset[str] = frozenset()
    whole: bool = True


@dataclass
class World:
    """What is outside: a number for each key. A pass takes time, breaks as told, and may not come to everybody.

    In `pairs`, a and b, c and d and so on, keys have to do with each other; else each has with all.
    """

    seconds: float = 1.0
    slow: frozenset[str] = frozenset()
    breaks: frozenset[int] = frozenset()
    at_most: int = 1000
    stands: dict[str, int] = field(default_factory=dict)
    passes: list[Pass] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    under_way: int = 0
    pairs: bool = False

    def __post_init__(self) -> None:
        self.lane: Lane[str, int, Said] = Lane(self.run, PACE, self.told.append, self._coming)

    def _coming(self) -> int:
        return self.under_way - self.lane.in_line

    async def run(self, wants: Mapping[str, int]) -> PassResult[str, Said]:
        loop = asyncio.get_running_loop()
        every, wants = wants, self._near(wants)
        this = Pass(loop.time(), dict(wants), whole=wants.keys() == every.keys())
        self.passes.append(this)
        number = len(self.passes) - 1
        try:
            await asyncio.sleep(self.seconds)
            if number in self.breaks:
                this.failed = True
                raise Broken
            due = sorted((key for key in wants if self.stands.get(key) != wants[key]), key=self.lane.rank)
            for key in wants.keys() - set(due):
                self.lane.answer(key, Said(number, wants[key], changed=False), news=False)
            for key in due[: self.at_most]:
                await asyncio.sleep(30.0 if key in self.slow else 0.01)
                self.stands[key] = wants[key]
                self.lane.answer(key, Said(number, wants[key], changed=True))
            this.left = frozenset(due[self.at_most :])
            return PassResult({}, clean=not due, left=this.left, whole=this.whole)
        finally:
            this.ended = loop.time()

    def _near(self, wants: Mapping[str, int]) -> Mapping[str, int]:
        """Those that the pass may be over."""
        if self.lane.sought is None or not self.pairs:
            return wants
        pairs = {_pair(key) for key in self.lane.sought}
        return {key: want for key, want in wants.items() if _pair(key) in pairs}


def _pair(key: str) -> int:
    return (ord(key[0]) - ord("a")) // 2


@dataclass
class Call:
    """A call of a lane: when it came, with what, when it was answered, and with what.

    `edited` is after how many seconds somebody presses. One that is overtaken comes again as an edit, after a pause;
    `began` is when it came first.
    """

    key: str
    want: int
    rank: Rank
    max_age: float
    came: float = 0.0
    answered: float = float("inf")
    answer: Said | Exception | None = None
    pause: float = 0.0
    edited: float | None = None
    began: float = 0.0

    async def make(self, world: World) -> None:
        loop = asyncio.get_running_loop()
        self.began = loop.time()
        if self.edited is not None:
            loop.call_later(self.edited, world.lane.press, self.key)
        while self.answer is None:
            ranks.enter(self.rank)
            self.came = loop.time()
            try:
                self.answer = await world.lane.submit(self.key, self.want, max_age=self.max_age)
            except Broken as broken:
                self.answer = broken
            except Overtaken:
                self.rank = Rank.EDIT
                await asyncio.sleep(self.pause)
        self.answered = loop.time()


async def played(
    world: World, calls: list[tuple[float, Call]], drift: list[tuple[float, str]], after: float = 700.0
) -> list[Call]:
    """The calls as they went, one of a key at a time, as a queue makes them."""
    loop = asyncio.get_running_loop()
    for when, key in drift:
        loop.call_later(when, world.stands.pop, key, None)
    busy: dict[str, asyncio.Task[None]] = {}
    made: list[Call] = []
    for delay, call in calls:
        await asyncio.sleep(delay)
        if call.key in busy and not busy[call.key].done():
            await asyncio.wait({busy[call.key]})
        made.append(call)
        busy[call.key] = asyncio.create_task(call.make(world))
    await asyncio.gather(*busy.values())
    await asyncio.sleep(after)
    return made
