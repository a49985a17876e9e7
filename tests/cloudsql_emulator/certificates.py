"""Certificate authorities and certificates of one emulated instance; who uses them for what is in `dataplane`."""

import base64
import binascii
import datetime as dt
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLIENT_COMMON_NAME = "Google Cloud SQL Client"
CLIENT_LIFETIME = dt.timedelta(hours=1)
CA_LIFETIME = dt.timedelta(days=3650)
CLOCK_SKEW = dt.timedelta(minutes=1)

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class BadPublicKey(ValueError):
    """The text that came as a client's public key is none."""


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """An ephemeral client certificate and the identity that Google remembers for it.

    `principal` is an IAM member when the request carried a login token, else None: such a certificate opens a tunnel
    and proves nobody; `proof` is whether it does still. Times are aware and in UTC; `serial` is decimal; the
    fingerprint is 40 hexadecimal digits.
    """

    pem: str
    serial: str
    common_name: str
    create_time: dt.datetime
    expiration_time: dt.datetime
    sha1_fingerprint: str
    principal: str | None
    proof: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """The certificate of a server's authority; times are aware, the fingerprint is 40 hexadecimal digits."""

    pem: str
    common_name: str
    begins: dt.datetime
    ends: dt.datetime
    sha1_fingerprint: str


@dataclass(frozen=True, slots=True)
class _Authority:
    """A certificate authority: its own certificate and key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


class InstanceCertificates:
    """Everything TLS of one instance: server authority, server certificate, client authority, certificates given out.

    The server's certificate says CN=project:instance, is signed by the authority itself (Go clients accept no
    intermediate one) and carries DNS names only when the instance has one.
    Source: cloud-sql-go-connector, tls_verify.go
    """

    def __init__(self, project: str, instance: str, dns_names: tuple[str, ...] = ()) -> None:
        self._common_name = f"{project}:{instance}"
        self._dns_names = dns_names
        self._issued: dict[str, IssuedCertificate] = {}
        self._client_authority = _new_authority("Google Cloud SQL Client CA")
        self._server_authority = _new_authority("Google Cloud SQL Server CA")
        self.connector_context = self._server_context(ssl.TLSVersion.TLSv1_3, ssl.CERT_REQUIRED)
        """TLS as on port 3307: 1.3 only, a client certificate of this instance demanded."""
        self.direct_context = self._server_context(ssl.TLSVersion.TLSv1_2, ssl.CERT_OPTIONAL)
        """TLS as on port 5432: a client certificate verified when one is shown."""
        self._load_server_certificate()

    @property
    def server_ca_pem(self) -> str:
        """What clients verify the server with (connectSettings.serverCaCert.cert)."""
        return self._server_authority.pem

    @property
    def server_ca(self) -> ServerCertificate:
        """The same with what is told about it."""
        certificate = self._server_authority.certificate
        return ServerCertificate(
            self._server_authority.pem,
            certificate.subject.rfc4514_string(),
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            certificate.fingerprint(hashes.SHA1()).hex(),
        )

    def issue_client(
        self, public_key_pem: str, principal: str | None, proof: Callable[[], bool] = lambda: True
    ) -> IssuedCertificate:
        """Sign an ephemeral certificate of one hour for a client's key, and remember whose it is.

        `proof` is whether that is still so: the token that proved it may have ended.

        Raises:
            BadPublicKey: the text holds no public key.
        Source: Cloud SQL Admin API v1, connect.generateEphemeralCert
        """
        certificate = _sign(
            _subject(CLIENT_COMMON_NAME),
            _parse_public_key(public_key_pem),
            self._client_authority,
            CLIENT_LIFETIME,
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
        )
        issued = IssuedCertificate(
            pem=certificate.public_bytes(serialization.Encoding.PEM).decode(),
            serial=str(certificate.serial_number),
            common_name=CLIENT_COMMON_NAME,
            create_time=dt.datetime.now(dt.UTC),
            expiration_time=certificate.not_valid_after_utc,
            sha1_fingerprint=certificate.fingerprint(hashes.SHA1()).hex(),
            principal=principal,
            proof=proof,
        )
        self._issued[issued.serial] = issued
        return issued

    def issued(self, certificate_der: bytes) -> IssuedCertificate | None:
        """The record of a certificate that a client showed; None when this instance gave out no such one."""
        return self._issued.get(str(x509.load_der_x509_certificate(certificate_der).serial_number))

    def serve(self, dns_names: tuple[str, ...]) -> None:
        """Have other DNS names, under a new authority, at once."""
        self._dns_names = dns_names
        self.rotate_server_authority()

    def rotate_server_authority(self) -> None:
        """Replace the server's authority and certificate at once; new connections see the new ones."""
        self._server_authority = _new_authority("Google Cloud SQL Server CA")
        self._load_server_certificate()

    def _load_server_certificate(self) -> None:
        certificate, key = self._new_server_certificate()
        # The ssl module reads a server's key from files only.
        with tempfile.TemporaryDirectory(prefix="csql") as directory:
            chain_file, key_file = Path(directory, "chain.pem"), Path(directory, "key.pem")
            chain_file.write_text(certificate + self._server_authority.pem)
            key_file.write_text(key)
            for context in (self.connector_context, self.direct_context):
                context.load_cert_chain(chain_file, key_file)

    def _server_context(self, oldest: ssl.TLSVersion, client_certificate: ssl.VerifyMode) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = oldest
        context.verify_mode = client_certificate
        context.load_verify_locations(cadata=self._client_authority.pem)
        return context

    def _new_server_certificate(self) -> tuple[str, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        extensions: list[x509.ExtensionType] = [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])]
        if self._dns_names:
            extensions.append(x509.SubjectAlternativeName([x509.DNSName(name) for name in self._dns_names]))
        subject = _subject(self._common_name)
        certificate = _sign(subject, key.public_key(), self._server_authority, CA_LIFETIME, *extensions)
        return certificate.public_bytes(serialization.Encoding.PEM).decode(), _key_pem(key)


def _new_authority(common_name: str) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _subject(common_name)
    certificate = (
        _builder(name, key.public_key(), CA_LIFETIME)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Authority(certificate, key)


def _sign(
    subject: x509.Name,
    public_key: PublicKey,
    authority: _Authority,
    lifetime: dt.timedelta,
    *extensions: x509.ExtensionType,
) -> x509.Certificate:
    builder = (
        _builder(subject, public_key, lifetime)
        .issuer_name(authority.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(authority.key, hashes.SHA256())


def _builder(subject: x509.Name, public_key: PublicKey, lifetime: dt.timedelta) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Google, Inc"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _parse_public_key(pem: str) -> PublicKey:
    # Go clients put SPKI bytes under "RSA PUBLIC KEY", Python ones under "PUBLIC KEY": only the bytes tell the truth.
    body = "".join(line for line in pem.strip().splitlines() if not line.startswith("-----"))
    try:
        key = serialization.load_der_public_key(base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadPublicKey("public_key holds no SubjectPublicKeyInfo in PEM") from error
    if not isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
        raise BadPublicKey("public_key is neither RSA nor EC")
    return key
