"""What a pass did for a DatabaseGrant, in sentences that become Events; repeated ones only now and then."""

import time
from collections.abc import Callable, Sequence

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.residual import Residual
from cloudsql_iam_operator.core.grants.desired.ledger import AppliedEntry, Ledger, granted
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from cloudsql_iam_operator.services.reconcilers.grant_status import SAMPLE, shortened
from cloudsql_iam_operator.services.reconcilers.layers import Layers

DRIFT_SECONDS = 600.0
"""Seconds in which drift of one object is announced once: who undoes it once, undoes it again and again."""


class GrantEvents:
    """Events of all grants. Drift of an object is announced once in `DRIFT_SECONDS`, and counted each time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._drift_announced: dict[Key, float] = {}

    def announce(self, key: Key, layers: Layers, answer: GrantAnswer, drift_so_far: int) -> None:
        """Note what was done; `drift_so_far` is how many privileges were ever given back."""
        if answer.drift.privileges:
            layers.changed("DriftCorrected", self._drift(key, answer, drift_so_far))
        granted = answer.drift.beside if answer.drift.privileges else answer.granted
        if granted:
            layers.changed("Granted", f"granted {_done(granted, answer)}")
        for sentence in answer.advice if answer.granted else ():
            layers.changed("GroupRoleAdvised", sentence)
        elsewhere = [one for one in answer.residual if one.elsewhere]
        if elsewhere:
            layers.warn("LeftBehind", _left_behind(elsewhere))
        if answer.revoked:
            layers.changed("Revoked", f"revoked {_done(answer.revoked, answer)}")

    @staticmethod
    def gave_up(layers: Layers, ledger: Ledger) -> None:
        """Note that a deletion was given up, and what is left in force."""
        left = [_left(entry) for entry in sorted(granted(ledger))]
        more = f" and {len(left) - SAMPLE} more" if len(left) > SAMPLE else ""
        layers.warn("GivenUp", f"the deletion was given up; left in force: {'; '.join(left[:SAMPLE])}{more}")

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._drift_announced.pop(key, None)

    def _drift(self, key: Key, answer: GrantAnswer, so_far: int) -> str:
        """What was given back; "" while that was announced not long ago."""
        now = self._clock()
        announced = self._drift_announced.get(key)
        if announced is not None and now - announced < DRIFT_SECONDS:
            return ""
        self._drift_announced[key] = now
        drift = answer.drift
        what = f"{_counted(drift.privileges, 'privilege')} in {_counted(len(drift.statements), 'statement')}"
        return f"gave back {what}, {so_far} so far, that somebody had taken: {'; '.join(shortened(drift.statements))}"


def _left_behind(residual: Sequence[Residual]) -> str:
    """What roles have outside the places that were given up; it may have come from there."""
    said = [f"{one.role} keeps {one.privilege} on {_counted(one.objects, 'object')}, {one.through}" for one in residual]
    more = f" and {len(said) - SAMPLE} more" if len(said) > SAMPLE else ""
    return f"what was moved away since, or others granted, is left: {'; '.join(said[:SAMPLE])}{more}"


def _left(entry: AppliedEntry) -> str:
    """One entry for people to read."""
    what, who = _listed(entry.names), _listed(entry.roles)
    where = ".".join(part for part in (entry.schema, what) if part)
    return " ".join(part for part in (", ".join(entry.privileges), entry.kind, where, "for", who) if part)


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SAMPLE} more" if len(names) > SAMPLE else ""
    return ", ".join(names[:SAMPLE]) + more


def _done(privileges: int, answer: GrantAnswer) -> str:
    return f"{_counted(privileges, 'privilege')} in {_counted(len(answer.executed), 'statement')}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
