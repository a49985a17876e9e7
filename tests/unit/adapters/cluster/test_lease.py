"""Leadership ends by itself, whatever becomes of the machine."""

import time

import pytest

from cloudsql_iam_operator.adapters.cluster import lease as leases
from cloudsql_iam_operator.adapters.cluster.lease import LeadershipLost, Lease, Terms

TERMS = Terms(duration=15, renew=10, retry=2)


def test_a_lease_that_was_renewed_is_good_until_renewal_is_due() -> None:
    clock = [1000.0]
    lease = Lease("operator", "csql", "me", TERMS, clock=lambda: clock[0])
    lease._held(lambda: True)

    clock[0] += 9.9
    lease.check()
    clock[0] += 0.1

    with pytest.raises(LeadershipLost):
        lease.check()


def test_nobody_leads_before_the_first_renewal() -> None:
    with pytest.raises(LeadershipLost):
        Lease("operator", "csql", "me", TERMS).check()


def test_the_clock_of_leadership_goes_on_while_the_machine_sleeps() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)

    said = leases.now()

    assert before <= said <= time.clock_gettime(time.CLOCK_BOOTTIME)
