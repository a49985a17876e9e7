"""The webhook's own certificates: a private authority and the leaf it signs. Where they are kept is not known here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LEAF_LIFE = timedelta(days=90)
AUTHORITY_LIFE = timedelta(days=5 * 365)
SETTLED = timedelta(hours=1)
"""How old a new authority must be before it signs a leaf: until then not every API server may know it."""

CLOCK_SKEW = timedelta(hours=1)

LEAF, KEY, BUNDLE, AUTHORITY_KEY = "tls.crt", "tls.key", "ca.crt", "ca.key"
"""Keys of the Secret: the leaf, its key, the trusted authorities, and the newest authority's key."""


class Unusable(ValueError):
    """What was read is no certificate set that this module made."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def key_pem(self) -> bytes:
        """The private key, unencrypted."""
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(encoding, form, serialization.NoEncryption())


@dataclass(frozen=True, slots=True)
class CertificateSet:
    """A leaf, the authority that signs from now on, and older ones that are trusted until they expire."""

    leaf: Signed
    authority: Signed
    older: tuple[x509.Certificate, ...] = ()

    @property
    def bundle(self) -> bytes:
        """What a client must trust, as PEM: newest authority first."""
        return b"".join(_pem(c) for c in (self.authority.certificate, *self.older))

    @property
    def expires(self) -> datetime:
        """When the leaf ends."""
        return self.leaf.certificate.not_valid_after_utc

    def values(self) -> dict[str, bytes]:
        """The set as a Secret's values."""
        return {
            LEAF: _pem(self.leaf.certificate),
            KEY: self.leaf.key_pem,
            BUNDLE: self.bundle,
            AUTHORITY_KEY: self.authority.key_pem,
        }


def issued(names: Sequence[str], now: datetime) -> CertificateSet:
    """A new authority and a leaf for these DNS names."""
    authority = _authority(now)
    return CertificateSet(_leaf(names, authority, now), authority)


def renewed(old: CertificateSet, names: Sequence[str], now: datetime) -> CertificateSet:
    """What should be used from now on: `old` itself while nothing is due.

    Both kinds are renewed after two thirds of their life. A new authority is only announced at first; it signs leaves
    once it has settled, so that no client meets a leaf whose authority it does not know.
    """
    authority, leaf = old.authority.certificate, old.leaf.certificate
    if authority.not_valid_after_utc <= now or not _signed_by_one_of(leaf, (authority, *old.older)):
        return issued(names, now)
    if _due(authority, now):
        trusted = tuple(c for c in (authority, *old.older) if c.not_valid_after_utc > now)
        return CertificateSet(old.leaf, _authority(now), trusted)
    if not _fits(leaf, names) or leaf.not_valid_after_utc <= now:
        return CertificateSet(_leaf(names, old.authority, now), old.authority, old.older)
    if _due(leaf, now) and now - authority.not_valid_before_utc >= SETTLED + CLOCK_SKEW:
        return CertificateSet(_leaf(names, old.authority, now), old.authority, old.older)
    return old


def read(values: Mapping[str, bytes]) -> CertificateSet:
    """The set in a Secret's values.

    Raises:
        Unusable: something is missing, is no PEM, or does not belong together.
    """
    try:
        authorities = x509.load_pem_x509_certificates(values[BUNDLE])
        leaf = Signed(x509.load_pem_x509_certificate(values[LEAF]), _key(values[KEY]))
        authority = Signed(authorities[0], _key(values[AUTHORITY_KEY]))
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise Unusable(f"no certificates in it ({type(error).__name__})") from error
    for signed in (leaf, authority):
        if signed.certificate.public_key() != signed.key.public_key():
            raise Unusable("a certificate and its key do not belong together")
    return CertificateSet(leaf, authority, tuple(authorities[1:]))


def _authority(now: datetime) -> Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    # The date keeps names of authorities apart, so that a client never tries the wrong one of two with one name.
    name = _name(f"cloudsql-iam-operator webhook CA {now:%Y-%m-%dT%H:%M:%S}")
    built = (
        _builder(name, name, key.public_key(), now)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return Signed(built.sign(key, hashes.SHA256()), key)


def _leaf(names: Sequence[str], authority: Signed, now: datetime) -> Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    built = (
        _builder(_name("cloudsql-iam-operator webhook"), issuer.subject, key.public_key(), now)
        .not_valid_after(min(now + LEAF_LIFE, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    return Signed(built.sign(authority.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _due(certificate: x509.Certificate, now: datetime) -> bool:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= start + (end - start) * 2 / 3


def _fits(leaf: x509.Certificate, names: Sequence[str]) -> bool:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    return set(names) <= set(extension.value.get_values_for_type(x509.DNSName))


def _signed_by_one_of(leaf: x509.Certificate, authorities: Sequence[x509.Certificate]) -> bool:
    return any(_signed_by(leaf, authority) for authority in authorities)


def _signed_by(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Unusable("its key is of another kind than this program makes")
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
