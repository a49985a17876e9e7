"""Whether a plan may be executed: a person approves one by its hash, once. Where that is written is not known here."""

from enum import Enum


class Approval(Enum):
    """How the hash that a person named stands to the plan that there is now."""

    MISSING = "missing"
    FITS = "fits"
    OTHER = "other"
    USED = "used"


def approval(named: str, used: str, plan_hash: str) -> Approval:
    """The standing of an approval: `named` by the person ("" for none), for a plan of this hash.

    `used` is the approval that was last acted upon. It counts once: the same plan may come up again when somebody
    takes back by hand what was approved, and that is no reason to give it again.
    """
    if not named:
        return Approval.MISSING
    if named != plan_hash:
        return Approval.OTHER
    return Approval.USED if named == used else Approval.FITS
