from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cloudsql_iam_operator.webhook.certificates.certificate import Unusable, issued
from cloudsql_iam_operator.webhook.certificates.given import given

NOW = datetime(2026, 11, 26, tzinfo=UTC)
ISSUED = issued(("hook.csql.svc",), NOW)
VALUES = {name: ISSUED.values()[name] for name in ("tls.crt", "tls.key")}
OTHER = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_a_certificate_and_its_key_are_served_as_they_are() -> None:
    found = given(VALUES | {"ca.crt": b"whatever"})

    assert found.values() == VALUES
    assert found.expires == ISSUED.expires


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"tls.crt": VALUES["tls.crt"]},
        {"tls.crt": b"", "tls.key": b""},
        {"tls.crt": b"x", "tls.key": VALUES["tls.key"]},
        {"tls.crt": VALUES["tls.crt"], "tls.key": b"x"},
        {"tls.crt": VALUES["tls.crt"], "tls.key": OTHER},
    ],
)
def test_what_does_not_belong_together_is_not_served(values: dict[str, bytes]) -> None:
    with pytest.raises(Unusable):
        given(values)
