"""Keeps the certificate: in the Secret that replicas share, in this process, and in what the API server trusts."""

import logging
import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from cloudsql_iam_operator.adapters.cluster.admission import (
    AdmissionCluster,
    Registration,
    StoredSecret,
    Trust,
    registrations,
)
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.webhook import metrics
from cloudsql_iam_operator.webhook.certificates import certificate
from cloudsql_iam_operator.webhook.certificates.certificate import CertificateSet
from cloudsql_iam_operator.webhook.settings import Place

ROUND_SECONDS = 10.0
"""How soon a certificate that another replica renewed is used here."""

REST_SECONDS = 1.0
"""The least between two rounds, however often somebody takes caBundle away."""

ATTEMPTS = 5

log = logging.getLogger(__name__)


class Keeper:
    """One certificate set for all replicas. Whoever writes first wins; the others take what is there.

    `use` is given every set that this process shall serve with from now on, and returns once it does.
    """

    def __init__(self, cluster: AdmissionCluster, place: Place, use: Callable[[CertificateSet], None]) -> None:
        self.settled = threading.Event()
        self._cluster = cluster
        self._place = place
        self._use = use
        self._wake = threading.Event()
        self._held: CertificateSet | None = None

    def wake(self) -> None:
        """Look again soon: something changed."""
        self._wake.set()

    def start(self, stop: threading.Event) -> None:
        """Keep the certificate in a thread of its own, until `stop` is set or the process ends."""
        threading.Thread(target=self._keep, args=(stop,), name="certificate", daemon=True).start()

    def check(self, now: datetime) -> None:
        """Do one round: adopt the shared certificate, renew what is due, and restore what the API server trusts.

        Raises:
            NotYet: the API server cannot be reached, or refuses.
        """
        current = self._shared(now)
        if self._held is None or current.values() != self._held.values():
            self._use(current)
            self._held = current
            log.info("serving with a certificate that ends at %s", current.expires.isoformat())
        for registration in registrations(self._place.configuration):
            self._restore_trust(registration, current)
        self.settled.set()

    def _keep(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._wake.clear()
            try:
                self.check(datetime.now(UTC))
            except NotYet as failure:
                log.warning("certificate not checked: %s", failure.message)
            except Exception:  # a certificate that nobody renews any more stops all injection one day
                log.exception("certificate not checked")
            stop.wait(REST_SECONDS)
            self._wake.wait(random.uniform(0.5, 1.0) * ROUND_SECONDS)  # noqa: S311 - keeps replicas apart

    def _shared(self, now: datetime) -> CertificateSet:
        """The set in the Secret, after filling or renewing it when that is due."""
        where = f"{self._place.namespace}/{self._place.secret}"
        for _ in range(ATTEMPTS):
            stored = self._cluster.secret(self._place.namespace, self._place.secret)
            if stored is None:
                text = f"Secret {where} does not exist, and the webhook may make none: install the chart anew"
                raise NotYet(Reason.PROGRESSING_WITH_RETRY, text)
            current = self._readable(stored)
            if current is None:
                wanted = self._held or certificate.issued(self._place.dns_names, now)
                wanted = certificate.renewed(wanted, self._place.dns_names, now)
            else:
                wanted = certificate.renewed(current, self._place.dns_names, now)
            if wanted is current or self._written(wanted, stored):
                return wanted
        text = f"Secret {where} could not be written: somebody keeps changing it, or it is not ours"
        raise NotYet(Reason.PROGRESSING_WITH_RETRY, text)

    def _readable(self, stored: StoredSecret) -> CertificateSet | None:
        if not stored.values:  # as the chart makes it
            return None
        try:
            return certificate.read(stored.values)
        except certificate.Unusable as unusable:
            where = (self._place.namespace, self._place.secret)
            log.warning("Secret %s/%s is written anew: %s", *where, unusable)
            return None

    def _written(self, wanted: CertificateSet, stored: StoredSecret) -> bool:
        where = (self._place.namespace, self._place.secret)
        won = self._cluster.replace_secret(*where, StoredSecret(wanted.values(), stored.version))
        if won:
            log.info("wrote certificates to Secret %s/%s, the leaf ends at %s", *where, wanted.expires.isoformat())
        return won

    def _restore_trust(self, registration: Registration, current: CertificateSet) -> None:
        trust = self._cluster.trust(registration)
        wanted = tuple(Trust(each.webhook, current.bundle) for each in trust)
        if not trust:
            log.warning("%s %s does not exist: nobody calls us", registration.plural, registration.name)
        if trust != wanted and self._cluster.set_trust(registration, wanted):
            metrics.TRUST_WRITES.inc()
            log.info("wrote caBundle of %s %s", registration.plural, registration.name)
