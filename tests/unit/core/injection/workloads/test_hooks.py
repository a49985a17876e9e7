import pytest

from cloudsql_iam_operator.core.injection.workloads.hooks import ARGO_CD, HELM, loses_access, waits_for_its_chart

HOOK, POLICY = HELM.hook, HELM.policy


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
    annotations = {HOOK: "pre-install,pre-upgrade"} | ({} if policy is None else {POLICY: policy})

    (warning,) = loses_access("CloudSQLIAMUser", annotations)

    assert warning.startswith(f"Helm deletes this CloudSQLIAMUser ({POLICY}: {bad})")


@pytest.mark.parametrize(
    "annotations",
    [{}, {HOOK: ""}, {POLICY: "before-hook-creation"}, {HOOK: "pre-install", POLICY: "hook-failed"}, {HOOK: 5}],
)
def test_a_user_that_stays_is_not_spoken_of(annotations: dict[str, object]) -> None:
    assert list(loses_access("CloudSQLIAMUser", annotations)) == []


@pytest.mark.parametrize("event", ["pre-install", "post-install", "pre-install, post-install"])
def test_a_hook_of_the_installation_alone_loses_nothing_at_upgrades(event: str) -> None:
    assert list(loses_access("DatabaseGrant", {HOOK: event})) == []
    assert list(loses_access("DatabaseGrant", {HOOK: event, POLICY: "before-hook-creation"})) == []
    assert list(loses_access("DatabaseGrant", {HOOK: event, POLICY: "hook-succeeded"})) != []


@pytest.mark.parametrize(
    ("policy", "bad"),
    [
        (None, "BeforeHookCreation, the default"),
        ("HookSucceeded", "HookSucceeded"),
        ("HookFailed,BeforeHookCreation", "BeforeHookCreation"),
    ],
)
def test_a_user_that_argo_cd_deletes_at_each_sync_is_told(policy: str | None, bad: str) -> None:
    annotations = {ARGO_CD.hook: "PreSync"} | ({} if policy is None else {ARGO_CD.policy: policy})

    (warning,) = loses_access("CloudSQLIAMUser", annotations)

    assert warning.startswith(f"Argo CD deletes this CloudSQLIAMUser ({ARGO_CD.policy}: {bad})")
    assert "take the hook off, and give it an earlier argocd.argoproj.io/sync-wave" in warning


VAIN = {
    (HOOK, "pre-upgrade"): "a pre-upgrade hook runs before the chart's other objects",
    (HOOK, "post-delete"): "a post-delete hook runs when the chart's objects are gone",
    (ARGO_CD.hook, "PreSync"): "a PreSync hook runs before the application's other objects",
    (ARGO_CD.hook, "PostDelete"): "a PostDelete hook runs when the application's objects are gone",
}


@pytest.mark.parametrize(("hook", "text"), VAIN.items())
def test_a_hook_that_waits_in_vain_is_told_why(hook: tuple[str, str], text: str) -> None:
    assert waits_for_its_chart(dict([hook])).startswith(f"{text}: for a CloudSQLIAMUser of the same ")


@pytest.mark.parametrize("hook", [(HOOK, "post-install"), (HOOK, "test"), (ARGO_CD.hook, "Sync"), (HOOK, "PreSync")])
def test_a_hook_that_comes_after_its_user_is_not_spoken_of(hook: tuple[str, str]) -> None:
    assert waits_for_its_chart(dict([hook])) == ""
