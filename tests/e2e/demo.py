"""`make demo`: the main job on the chain, step by step; every step checks what it shows."""

import argparse
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from controlplane import binaries
from e2e import chain, keeping
from e2e.chain import Chain
from e2e.cloud import Cloud
from e2e.scenes import Stage
from e2e.story import ENDING, STEPS, Telling


@dataclass(slots=True)
class Teller:
    """Prints what happens, numbered, with the time since the start; counts the steps that held."""

    began: float = field(default_factory=time.monotonic)
    held: int = 0

    def note(self, line: str) -> None:
        """A line about what is under way."""
        print(f"[{time.monotonic() - self.began:6.1f}]     {line}", flush=True)

    def show(self, text: str) -> None:
        """Something to look at, indented."""
        for line in text.rstrip().splitlines():
            print(f"             │ {line}", flush=True)

    def step(self, title: str, part: Callable[[], None]) -> None:
        """One step: its title, then its part, which raises when something does not hold."""
        print(f"[{time.monotonic() - self.began:6.1f}] {self.held + 1:2}. {title}", flush=True)
        part()
        self.held += 1


def run(keep: bool) -> int:
    """The demo, inside the sandbox; the exit status is 0 when every step held."""
    teller = Teller()
    told = chain.settings(binaries.ensure(teller.note))
    parts = Chain(told, teller.note)
    try:
        _play(parts, teller, keep)
    except (AssertionError, RuntimeError, OSError) as error:
        print(f"demo: step {teller.held + 1} did not hold: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; taking everything down", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not cut the clean-up short
        parts.stop()
    return 0


def _play(parts: Chain, teller: Teller, keep: bool) -> None:
    teller.step("a control plane, a cloud and a node, all in a network of their own", parts.start)
    teller.step("helm install, with the chart's default values", parts.install)
    telling = Telling(Stage(parts, Cloud(parts.directory)), teller)
    for title, part in STEPS:
        teller.step(title, partial(part, telling))
    if keep:
        keeping.wait(parts, teller.note)
        return
    for title, part in ENDING:
        teller.step(title, partial(part, telling))
    print(f"demo: {teller.held} steps held in {time.monotonic() - teller.began:.0f} s", flush=True)


def main() -> int:
    """Parse the arguments and run, keep or end a demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the chain running until Ctrl-C or `make down`")
    return run(parser.parse_args().keep)


if __name__ == "__main__":
    sys.exit(main())
