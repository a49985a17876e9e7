"""A certificate that somebody else keeps in a Secret, such as cert-manager: followed, never written."""

import logging
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from cloudsql_iam_operator.adapters.cluster.admission import AdmissionCluster
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.webhook.certificates.certificate import KEY, LEAF, Unusable
from cloudsql_iam_operator.webhook.settings import Place

ROUND_SECONDS = 10.0
"""How soon a new certificate is used."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Given:
    """A chain and its key, as PEM, and when the leaf ends."""

    chain: bytes
    key: bytes
    expires: datetime

    def values(self) -> dict[str, bytes]:
        """The two as a Secret's values."""
        return {LEAF: self.chain, KEY: self.key}


def given(values: Mapping[str, bytes]) -> Given:
    """The certificate in a Secret of type kubernetes.io/tls.

    Raises:
        Unusable: something is missing, is no PEM, or does not belong together.
    """
    try:
        leaf = x509.load_pem_x509_certificate(values[LEAF])
        key = serialization.load_pem_private_key(values[KEY], None)
    except (KeyError, ValueError, TypeError) as error:
        raise Unusable(f"no certificate in it ({type(error).__name__})") from error
    if leaf.public_key() != key.public_key():
        raise Unusable("the certificate and its key do not belong together")
    return Given(values[LEAF], values[KEY], leaf.not_valid_after_utc)


class Follower:
    """Serves with what is in the Secret; `use` is given it when it changes, and returns once it is served."""

    def __init__(self, cluster: AdmissionCluster, place: Place, use: Callable[[Given], None]) -> None:
        self.settled = threading.Event()
        self._cluster = cluster
        self._place = place
        self._use = use
        self._held: Given | None = None

    def start(self, stop: threading.Event) -> None:
        """Follow in a thread of its own, until `stop` is set or the process ends."""
        threading.Thread(target=self._keep, args=(stop,), name="certificate", daemon=True).start()

    def check(self) -> None:
        """Do one round.

        Raises:
            NotYet: the API server cannot be reached, or the Secret is not there or not usable.
        """
        where = f"{self._place.namespace}/{self._place.secret}"
        stored = self._cluster.secret(self._place.namespace, self._place.secret)
        if stored is None:
            raise NotYet(Reason.PROGRESSING_WITH_RETRY, f"Secret {where} does not exist yet")
        try:
            found = given(stored.values)
        except Unusable as unusable:
            raise NotYet(Reason.PROGRESSING_WITH_RETRY, f"Secret {where}: {unusable}") from unusable
        if found != self._held:
            self._use(found)
            self._held = found
            log.info("serving with a given certificate that ends at %s", found.expires.isoformat())
        self.settled.set()

    def _keep(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.check()
            except NotYet as failure:
                log.warning("certificate not read: %s", failure.message)
            except Exception:  # a certificate that nobody follows any more stops all injection one day
                log.exception("certificate not read")
            pause = ROUND_SECONDS if self.settled.is_set() else 1.0
            stop.wait(random.uniform(0.5, 1.0) * pause)  # noqa: S311 - keeps replicas apart
