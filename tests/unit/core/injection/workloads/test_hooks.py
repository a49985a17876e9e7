import pytest

from cloudsql_iam_operator.core.injection.workloads.hooks import HOOK, POLICY, loses_access


@pytest.mark.parametrize(
    ("policy", "bad"),
    [
        (None, "before-hook-creation, the default"),
        ("", "before-hook-creation, the default"),
        ("before-hook-creation", "before-hook-creation"),
        ("hook-succeeded", "hook-succeeded"),
        ("hook-failed, before-hook-creation", "before-hook-creation"),
        ("before-hook-creation,hook-succeeded", "before-hook-creation, hook-succeeded"),
    ],
)
def test_a_user_that_helm_deletes_between_releases_is_told(policy: str | None, bad: str) -> None:
    annotations = {HOOK: "pre-install"} | ({} if policy is None else {POLICY: policy})

    (warning,) = loses_access("CloudSQLIAMUser", annotations)

    assert warning.startswith(f"Helm deletes this CloudSQLIAMUser ({POLICY}: {bad})")


@pytest.mark.parametrize(
    "annotations",
    [{}, {HOOK: ""}, {POLICY: "before-hook-creation"}, {HOOK: "pre-install", POLICY: "hook-failed"}, {HOOK: 5}],
)
def test_a_user_that_stays_is_not_spoken_of(annotations: dict[str, object]) -> None:
    assert list(loses_access("CloudSQLIAMUser", annotations)) == []
