"""Who waits for a lane, what was answered, and whether the one is for the other. When passes run is not known here."""

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from cloudsql_iam_operator.services.waiting.ranks import Rank

K = TypeVar("K", bound=Hashable)
W = TypeVar("W")
A = TypeVar("A")


@dataclass(slots=True)
class Waiter(Generic[W, A]):
    """Who waits; `seen` once a pass began that is for it."""

    future: "asyncio.Future[A]"
    want: W
    rank: Rank
    came: float
    max_age: float
    seen: bool = False


@dataclass(slots=True)
class Known(Generic[W, A]):
    """An answer of a pass that began at that time. One that is no `news` holds for as long as it is young enough."""

    want: W
    answer: A | Exception
    began: float
    news: bool
    told: bool


@dataclass(slots=True)
class Running(Generic[K, W]):
    """The pass that runs: what it saw wanted, for whom alone it may be, and whom it answered."""

    wants: dict[K, W]
    began: float
    sought: frozenset[K] | None
    answered: set[K] = field(default_factory=set)


def may_have(waiter: Waiter[W, A], known: Known[W, A], now: float) -> bool:
    """Whether the answer is one for who waits."""
    if waiter.seen or waiter.want != known.want:
        return waiter.seen
    young = now - known.began < waiter.max_age
    return waiter.came <= known.began or (young and not (known.news and known.told))


def given(answer: A | Exception) -> A:
    """The answer, or the failure raised."""
    if isinstance(answer, Exception):
        raise answer
    return answer


def settle(future: "asyncio.Future[A]", answer: A | Exception) -> None:
    """Answer who still waits."""
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
