"""What is shown of a text that somebody else wrote."""

import time

import pytest

from cloudsql_iam_operator.core.excerpts import SHOWN, excerpt


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Operation denied by\n  org policy", "Operation denied by org policy"),
        ("a\x00b\x1b[31mc\u202e", "a\\u0000b\\u001b[31mc\\u202e"),
        ("Service account checkout@acme-prod-123456.iam.gserviceaccount.com does not exist.",) * 2,
        ("roles/iam.serviceAccountTokenCreator on projects/acme-prod-europe-west1-4711",) * 2,
        ("consumer 'project_number:123456789012'",) * 2,
        (
            "organization's policy. vpcServiceControlsUniqueIdentifier: KJ3j4kd_92jdkLkdjKJd93jdsa",
            "organization's policy. vpcServiceControls…",
        ),
        ("The request's ETag 'BwYZ12=' did not match", "The request's … did not match"),
        ('{"timestamp":"2026-11-26T14:03:33.123+00:00","status":404}', '{"timestamp":"…","status":404}'),
        ('{"timestamp":1732629600000,"status":404}', '{"timestamp":…,"status":404}'),
        ("request id 5f1d6a2c-0d0e-4a6e-9f53-0d7a3f1f3c11 failed", "… failed"),
        ('{"access_token": "short1"}', '{"…"}'),
        ("Authorization: Bearer abc", "…"),
        ("token ya29.a0AfB_byC and eyJhbGciOi.eyJzdWIi", "token … and …"),
    ],
)
def test_it_is_visible_steady_and_no_secret(text: str, shown: str) -> None:
    assert excerpt(text) == shown


def test_it_is_short() -> None:
    assert excerpt("word " * 1000) == ("word " * 1000)[: SHOWN - 1] + "…"
    assert excerpt("w" * 1000) == "w" * SHOWN + "…"


def test_no_address_is_cut() -> None:
    address = "https://console.developers.google.com/apis/api/sqladmin.googleapis.com/overview?project=123"

    assert [excerpt(f"Enable it by visiting {address} then retry.", length) for length in (40, 112, 113, 200)] == [
        "Enable it by visiting…",
        "Enable it by visiting…",
        f"Enable it by visiting {address}…",
        f"Enable it by visiting {address} then retry.",
    ]
    assert excerpt("see https://a.example/A1b2C3d4E5f6G7h8I9 for more") == "see … for more"


@pytest.mark.parametrize("piece", ["a", "password", "etag ", "2026-11-", "eyJ", "request id", "\x00", "aB1"])
def test_its_cost_does_not_grow_with_what_is_sent(piece: str) -> None:
    began = time.thread_time()

    excerpt(piece * 1_000_000)

    assert time.thread_time() - began < 1.0
