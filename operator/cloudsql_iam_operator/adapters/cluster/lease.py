"""Leadership by a coordination.k8s.io Lease: who may write outside. What a leader does is not known here."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import urllib3
from kubernetes.client import ApiException
from kubernetes.leaderelection.electionconfig import Config
from kubernetes.leaderelection.leaderelection import LeaderElection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

log = logging.getLogger(__name__)


class LeadershipLost(Exception):
    """The Lease could not be renewed in time: another replica may be writing by now."""


def now() -> float:
    """Seconds of a clock that goes on while the machine is suspended, which the monotonic one does not on Linux.

    Source: clock_gettime(2), CLOCK_BOOTTIME
    """
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a Lease is good for, how long renewal is tried, and how often; seconds."""

    duration: int = 15
    renew: int = 10
    retry: int = 2


class Lease(LeaseLock):  # type: ignore[misc] # the library is untyped
    """The library's lock, which also knows until when this process may take itself for the leader.

    A connection error counts as a failed attempt instead of ending the election.
    """

    def __init__(
        self, name: str, namespace: str, identity: str, terms: Terms, clock: Callable[[], float] = now
    ) -> None:
        super().__init__(name, namespace, identity)
        self._terms = terms
        self._clock = clock
        self._valid_until = 0.0

    def check(self) -> None:
        """Return while this process surely leads.

        Raises:
            LeadershipLost: it may not any more; nothing outside may be written.
        """
        if self._clock() >= self._valid_until:
            raise LeadershipLost(f"the Lease {self.namespace}/{self.name} was not renewed in time")

    def get(self, name: str, namespace: str) -> tuple[bool, Any]:
        """As the library's, with a connection error as an unsuccessful read."""
        try:
            return tuple(super().get(name, namespace))
        except urllib3.exceptions.HTTPError as error:
            return False, ApiException(status=0, reason=type(error).__name__)

    def create(self, name: str, namespace: str, election_record: Any) -> bool:
        """As the library's; success makes this process the leader."""
        return self._held(super().create, name, namespace, election_record)

    def update(self, name: str, namespace: str, updated_record: Any) -> bool:
        """As the library's; success prolongs leadership, counted from before the request."""
        return self._held(super().update, name, namespace, updated_record)

    def release(self) -> None:
        """Let another replica lead at once. Best effort: an unreleased Lease runs out by itself."""
        held, self._valid_until = self._valid_until, 0.0
        if self._clock() >= held or self.lease_reference is None:
            return
        try:
            lease = self.api_instance.read_namespaced_lease(self.name, self.namespace, _request_timeout=2)
            if lease.spec.holder_identity == self.identity:
                lease.spec.holder_identity = None
                self.api_instance.replace_namespaced_lease(self.name, self.namespace, lease, _request_timeout=2)
        except (ApiException, urllib3.exceptions.HTTPError) as error:
            log.warning("lease not released, it runs out in %d s: %s", self._terms.duration, type(error).__name__)

    def _held(self, write: Callable[..., bool], *args: Any) -> bool:
        began = self._clock()
        try:
            written = bool(write(*args))
        except urllib3.exceptions.HTTPError:
            return False
        if written:
            self._valid_until = began + self._terms.renew
        return written


def lead(lease: Lease, terms: Terms, started: Callable[[], None], lost: Callable[[], None]) -> None:
    """Wait until this process leads, call `started` in a thread, and `lost` when the Lease could not be renewed.

    Blocks; meant for a daemon thread.
    """
    LeaderElection(Config(lease, terms.duration, terms.renew, terms.retry, started, lost)).run()
