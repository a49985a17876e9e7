"""No product of a grant's lists is without an end; the API server counts the same, in the tests on a server."""

from pathlib import Path

import pytest
import yaml

from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.api.parsing.grant import parse_grant
from support.grant_sizes import Json, pairs

MINIMAL = Path(__file__).parent / "crd_samples" / "grant-minimal.yaml"


def changed(change: Json) -> Json:
    body: Json = yaml.safe_load(MINIMAL.read_text())
    body["metadata"]["creationTimestamp"] = "2026-11-01T08:00:00Z"
    body["spec"] = {field: value for field, value in (body["spec"] | change).items() if value is not None}
    return body


@pytest.mark.parametrize(("largest", "larger"), [pytest.param(*pair, id=what) for what, *pair in pairs()])
def test_lists_multiply_up_to_a_bound_and_are_refused_beyond(largest: Json, larger: Json) -> None:
    assert parse_grant(changed(largest)).grantees
    text = r"spec\.grantees: times what is granted is 1,\d{3},\d{3}, .* at most 1,000,000"
    with pytest.raises(InvalidObject, match=text):
        parse_grant(changed(larger))
