from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from cloudsql_iam_operator.webhook.certificates.certificate import CertificateSet, Unusable, issued, read, renewed

NAMES = ("hook.csql.svc", "hook.csql.svc.cluster.local")
START = datetime(2026, 1, 1, tzinfo=UTC)


def days(count: float) -> timedelta:
    return timedelta(days=count)


def trusted(bundle: bytes, certificates: CertificateSet, now: datetime) -> bool:
    """Whether a client that trusts the bundle accepts the leaf for the first name."""
    store = Store(x509.load_pem_x509_certificates(bundle))
    verifier = PolicyBuilder().store(store).time(now).build_server_verifier(x509.DNSName(NAMES[0]))
    try:
        verifier.verify(certificates.leaf.certificate, [])
    except x509.verification.VerificationError:
        return False
    return True


def test_a_client_that_trusts_the_bundle_accepts_the_leaf() -> None:
    fresh = issued(NAMES, START)

    assert trusted(fresh.bundle, fresh, START)
    assert not trusted(issued(NAMES, START).bundle, fresh, START)


def test_a_set_survives_the_secret() -> None:
    fresh = issued(NAMES, START)

    assert read(fresh.values()).values() == fresh.values()


def test_nothing_is_renewed_before_two_thirds_of_the_leafs_life() -> None:
    fresh = issued(NAMES, START)

    assert renewed(fresh, NAMES, START + days(59)) is fresh


def test_the_leaf_is_renewed_by_the_same_authority() -> None:
    fresh = issued(NAMES, START)

    later = renewed(fresh, NAMES, START + days(61))

    assert later.bundle == fresh.bundle
    assert later.expires == START + days(61 + 90)
    assert trusted(fresh.bundle, later, START + days(61))


def test_a_new_authority_is_announced_before_it_signs() -> None:
    fresh = issued(NAMES, START)
    due = START + days(5 * 365 * 2 / 3 + 1)
    old = renewed(fresh, NAMES, due - days(30))

    announced = renewed(old, NAMES, due)
    waiting = renewed(announced, NAMES, due + timedelta(minutes=59))
    signing = renewed(announced, NAMES, due + days(60))

    assert announced.leaf == old.leaf
    assert len(x509.load_pem_x509_certificates(announced.bundle)) == 2
    assert waiting is announced
    assert trusted(announced.bundle, signing, due + days(60))
    assert not trusted(old.bundle, signing, due + days(60))


def test_every_leaf_of_ten_years_is_trusted_by_the_bundle_of_the_day_before() -> None:
    now, certificates = START, issued(NAMES, START)

    for _ in range(3650):
        yesterday, now = certificates.bundle, now + days(1)
        certificates = renewed(certificates, NAMES, now)

        assert trusted(yesterday, certificates, now), now


def test_another_service_name_gets_another_leaf() -> None:
    fresh = issued(NAMES, START)

    moved = renewed(fresh, ("other.csql.svc",), START)

    assert moved.bundle == fresh.bundle
    assert moved.leaf != fresh.leaf


def test_an_authority_that_has_ended_is_replaced_with_all_it_signed() -> None:
    ended = renewed(issued(NAMES, START), NAMES, START + days(5 * 365 + 1))

    assert trusted(ended.bundle, ended, START + days(5 * 365 + 1))


def test_a_leaf_that_nobody_in_the_bundle_signed_is_replaced() -> None:
    one, other = issued(NAMES, START), issued(NAMES, START)

    mended = renewed(CertificateSet(one.leaf, other.authority), NAMES, START)

    assert trusted(mended.bundle, mended, START)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"ca.crt": b""},
        {"tls.crt": b"x"},
        {"tls.key": b"x"},
        {"ca.key": issued(NAMES, START).values()["ca.key"]},
        {"tls.key": issued(NAMES, START).values()["tls.key"]},
    ],
)
def test_a_secret_that_somebody_spoiled_is_unusable(spoiled: Mapping[str, bytes]) -> None:
    with pytest.raises(Unusable):
        read(issued(NAMES, START).values() | dict(spoiled))


def test_an_empty_secret_is_unusable() -> None:
    with pytest.raises(Unusable):
        read({})
