"""The principal of a user: what helps who wrote another form of it than was asked for."""

import pytest

from cloudsql_iam_operator.api.parsing.principals import NO_SET, NO_WORKLOAD, meant

POOL = "principal://iam.googleapis.com/locations/global/workforcePools/staff"
WORKLOAD = "iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/acme.svc.id.goog"
EMAIL = "checkout@acme.iam.gserviceaccount.com"
WHOLE = f"that is a service account's database user; write the whole e-mail, serviceAccount: '{EMAIL}'"
TABLE = {
    ("serviceAccount", "checkout@acme.iam"): WHOLE,
    ("user", "checkout@acme.iam"): WHOLE,
    ("group", "Checkout@acme.iam"): WHOLE,
    ("user", EMAIL): f"that is a service account; write it as serviceAccount: '{EMAIL}'",
    ("group", EMAIL): f"that is a service account; write it as serviceAccount: '{EMAIL}'",
    ("workforceIdentity", EMAIL): f"that is a service account; write it as serviceAccount: '{EMAIL}'",
    ("serviceAccount", "ann@acme.com"): "that is no service account; write it as user: 'ann@acme.com', or as group",
    ("serviceAccount", f"serviceAccount:{EMAIL}"): f"write it as serviceAccount: '{EMAIL}'",
    ("user", "user:ann@acme.com"): "write it as user: 'ann@acme.com'",
    ("user", "group:dev@acme.com"): "write it as group: 'dev@acme.com'",
    ("user", f"{POOL}/subject/ann"): f"write it as workforceIdentity: '{POOL}/…",
    ("user", f"principal://{WORKLOAD}/subject/ns/a/sa/b"): NO_WORKLOAD,
    ("serviceAccount", f"principal://{WORKLOAD}/subject/ns/a/sa/b"): NO_WORKLOAD,
    ("workforceIdentity", f"principal://{WORKLOAD}/subject/ns/a/sa/b"): NO_WORKLOAD,
    ("workforceIdentity", f"principalSet://{WORKLOAD}/namespace/a"): NO_WORKLOAD,
    ("group", f"principalSet://{POOL}/*"): NO_SET,
    ("group", "d" * 60 + "@acme.com"): "put the group into one with a shorter name, and name that",
    ("user", "ann"): "",
    ("user", "a" * 100_000): "",
}


@pytest.mark.parametrize(("form", "value"), TABLE)
def test_a_principal_in_the_wrong_form_is_answered_with_the_right_one(form: str, value: str) -> None:
    told, expected = meant(form, value), TABLE[form, value]

    assert told.startswith(expected[:40]) if expected.endswith("…") else told == expected
