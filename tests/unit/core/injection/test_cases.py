"""The tricky cases of injection by number, and the test that holds each; every one of those tests exists."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.injection.facts import Login
from cloudsql_iam_operator.core.injection.outcome import Injected
from cloudsql_iam_operator.core.instances import InstanceFacts, require_engine
from support.podshapes import (
    CHECKOUT,
    FACTS,
    PG,
    SETTINGS,
    container,
    denied,
    environment,
    injected,
    planned,
    pod,
    proxy,
    users,
    warnings,
)

TESTS = Path(__file__).parents[3]

CASES = {
    1: "test_lists_that_are_missing_are_made",
    2: "test_every_container_gets_the_environment_and_the_pod_one_proxy",
    3: "test_a_container_that_does_not_exist_is_refused_with_those_that_do",
    4: "test_migrations_in_init_containers_find_the_proxy_running",
    5: "test_sidecars_of_the_user_come_after_the_proxy_in_their_order",
    6: "test_a_job_beside_a_native_sidecar_needs_to_know_nothing",
    7: "test_a_job_beside_an_ordinary_sidecar_is_told_how_to_end_it",
    8: "test_an_annotation_on_the_job_template_of_a_cron_job_is_told",
    9: "test_it_does_not_matter_who_made_a_pod",
    10: "test_it_does_not_matter_who_made_a_pod",
    11: "test_a_pod_without_a_name_is_spoken_of_by_its_prefix",
    12: "test_a_pod_on_the_host_network_is_refused",
    13: "test_the_proxy_moves_when_its_port_is_taken",
    14: "test_a_port_that_was_asked_for_and_is_taken_is_refused",
    15: "test_a_port_that_the_application_takes_undeclared_is_the_proxys_until_it_is_declared",
    16: "test_health_and_admin_ports_move_up_past_init_containers_too",
    17: "test_twenty_instances_have_ports_in_their_order_in_every_pod",
    18: "test_a_container_with_our_name_is_not_taken_over",
    19: "test_a_container_with_our_name_is_not_taken_over",
    20: "test_a_shell_in_a_running_pod_is_no_matter_of_ours",
    21: "test_a_windows_pod_is_refused_however_it_says_so",
    22: "test_a_sandboxed_pod_is_like_any_other",
    23: "test_a_sandboxed_pod_is_like_any_other",
    24: "test_a_sandboxed_pod_is_like_any_other",
    25: "test_a_mirror_pod_is_neither_changed_nor_refused",
    26: "test_the_form_follows_the_kubelets",
    27: "test_a_hundred_containers_with_a_hundred_variables_each_are_patched_element_by_element",
    28: "test_fields_that_nobody_knows_yet_stay_as_they_are",
    29: "test_resources_fit_into_those_of_the_pod_as_a_whole",
    30: "test_annotations_with_odd_names_stay",
    31: "test_an_injected_pod_is_left_alone",
    32: "test_a_container_that_another_injector_adds_later_gets_the_environment",
    33: "test_a_pod_injected_under_other_settings_keeps_its_proxy_and_says_so",
    34: "test_a_status_without_the_container_is_written_anew",
    35: "test_a_server_side_dry_run_is_answered_and_writes_nothing",
    36: "test_a_pod_that_runs_already_is_not_changed_by_an_annotation",
    37: "test_a_pod_can_opt_out",
    38: "test_a_pod_that_asks_for_nothing_is_left_alone",
    39: "test_the_same_pod_is_answered_with_the_same_bytes_by_everyone",
    40: "test_a_body_that_is_no_review_is_refused_and_the_server_lives_on",
    41: "test_a_failure_of_ours_denies_with_a_short_text_and_the_server_lives_on",
    42: "test_a_pod_whose_account_is_the_users_logs_in_by_its_name",
    43: "test_a_pod_that_acts_as_another_account_is_refused_with_both_named",
    44: "test_a_service_account_that_acts_as_nobody_is_refused_with_the_command_that_helps",
    45: "test_a_service_account_annotated_after_a_denial_helps_at_once",
    46: "test_a_service_account_that_was_annotated_a_moment_ago_is_believed",
    47: "test_a_user_of_another_namespace_cannot_be_named",
    48: "test_what_may_still_appear_is_a_warning",
    49: "test_a_user_that_is_not_ready_yet_is_injected_with_a_warning",
    50: "test_a_user_that_is_being_deleted_is_refused",
    51: "test_true_with_two_users_is_refused_with_both",
    52: "test_a_pod_may_act_as_the_users_account_with_another_of_its_own",
    53: "test_e_mails_are_compared_without_regard_to_case",
    54: "test_a_user_on_another_engine_is_refused_with_a_word",
    55: "test_a_name_longer_than_postgresql_keeps_is_cut_with_a_warning",
    56: "test_a_value_that_cannot_be_meant_is_refused_by_name_in_one_short_line",
    57: "test_resources_that_cannot_be_are_refused",
    58: "test_a_duration_without_a_unit_is_refused_with_the_one_that_is_meant",
    59: "test_a_typing_error_is_refused_with_the_name_that_was_meant",
    60: "test_an_instance_carries_no_options_of_the_proxy",
    61: "test_an_address_that_the_instance_lacks_is_pointed_out",
    62: "test_only_the_chosen_containers_reach_the_socket",
    63: "test_a_directory_that_a_container_has_is_refused",
    64: "test_a_name_that_is_kept_is_pointed_out",
    65: "test_variables_from_a_config_map_are_pointed_out",
    66: "test_variables_come_first_so_that_the_users_own_may_refer_to_them",
    67: "test_a_delay_beyond_the_pods_grace_is_pointed_out",
    68: "test_other_images_are_refused",
    69: "test_an_annotated_pod_gets_a_proxy_that_pod_security_restricted_admits",
    70: "test_no_probe_or_hook_names_a_host",
    71: "test_what_the_pod_runs_as_does_not_reach_the_proxy",
    72: "test_resources_bend_to_the_namespaces_rules",
    73: "test_the_proxy_starts_right_after_a_native_mesh_proxy",
    74: "test_a_mesh_proxy_beside_the_application_does_not_hold_the_proxy_back",
    75: "test_a_mesh_with_cni_and_a_classic_proxy_is_pointed_out",
    76: "test_a_mesh_that_comes_after_us_ends_in_the_same_order",
    77: "test_the_proxy_starts_right_after_a_native_mesh_proxy",
    78: "test_known_sidecars_get_no_environment_and_keep_their_order",
    79: "test_a_pod_that_reaches_the_instance_already_is_left_as_it_is",
    80: "test_ours_listens_after_all_instances_of_a_proxy_for_others",
    81: "test_the_other_operators_proxy_goes_by_its_own_object",
    82: "test_the_container_has_the_same_name_in_every_pod",
    83: "test_policies_about_images_and_probes_can_be_met",
    84: "test_a_workload_has_no_field_that_is_ours_so_that_appliers_never_conflict",
    85: "test_a_native_sidecar_that_a_node_would_wait_for_is_refused_with_its_name",
    86: "test_a_policy_that_would_cut_the_application_off_is_a_condition_of_its_user",
    87: "test_an_annotation_on_the_wrong_level_is_told_with_the_right_one",
    88: "test_pods_without_our_annotations_start_while_the_webhook_is_down",
    89: "test_a_pod_that_the_webhook_never_saw_is_told_and_made_again",
    90: "test_one_webhook_may_always_be_evicted_so_that_nodes_drain",
    91: "test_no_call_fails_while_the_certificate_changes",
    92: "test_a_ca_bundle_that_somebody_takes_away_is_restored",
    93: "test_pods_and_workloads_of_the_cluster_itself_never_reach_the_webhook",
    94: "test_what_the_webhook_needs_to_start_is_made_without_it",
    95: "test_nobody_is_said_not_to_exist_before_everything_was_listed",
    96: "test_an_api_server_that_is_slow_does_not_hold_the_answer_back",
}


def test_every_case_has_a_test_that_exists() -> None:
    written = "\n".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    names = set(re.findall(r"^(?:async )?def (test_\w+)", written, re.MULTILINE))

    assert {*CASES} == set(range(1, 97))
    assert {number: name for number, name in CASES.items() if name not in names} == {}


@pytest.mark.parametrize("engine", ["MYSQL_8_0", "SQLSERVER_2022_STANDARD"])
def test_a_user_on_another_engine_is_refused_with_a_word(engine: str) -> None:
    facts = InstanceFacts("RUNNABLE", False, engine, True, "CLOUD_SQL_INSTANCE", "europe-west1", frozenset())
    with pytest.raises(Failure) as met:
        require_engine(ConnectionName("acme-prod", "europe-west1", "orders"), facts)
    told = f"{met.value.reason}: {met.value.message}"

    refusal = denied(pod(), users(replace(CHECKOUT, login=Login.STALLED, problem=told)))

    assert refusal == (
        "403 CloudSQLIAMUser checkout cannot log in: UnsupportedEngine: instance acme-prod:europe-west1:orders runs "
        f"{engine}; only PostgreSQL is served"
    )


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet", "DaemonSet", "Rollout", "Revision", "Job"])
def test_it_does_not_matter_who_made_a_pod(kind: str) -> None:
    body = pod()
    body["metadata"]["ownerReferences"] = [{"kind": kind, "name": "x", "controller": True}]

    assert proxy(injected(body)) == proxy(injected(pod()))


def test_a_shell_in_a_running_pod_is_no_matter_of_ours() -> None:
    body = pod(ephemeralContainers=[{"name": "debug", "image": "busybox"}])

    assert injected(body)["spec"]["ephemeralContainers"] == [{"name": "debug", "image": "busybox"}]


@pytest.mark.parametrize(
    "spec",
    [{"runtimeClassName": "gvisor"}, {"shareProcessNamespace": True}, {"automountServiceAccountToken": False}],
)
def test_a_sandboxed_pod_is_like_any_other(spec: dict[str, Any]) -> None:
    for annotations in ({}, {"unix-socket": "/run/sql"}):
        body = pod(annotations=annotations, **spec)
        assert environment(injected(body)).keys() == PG.keys()
        assert warnings(body) == ()


def test_fields_that_nobody_knows_yet_stay_as_they_are() -> None:
    future = {"deep": [{"er": [None, 1, "ä"]}]}
    body = pod(container(future=future), future=future)
    body["future"] = future

    after = injected(body)

    assert after["future"] == after["spec"]["future"] == after["spec"]["containers"][0]["future"] == future


@pytest.mark.parametrize("annotations", [{"inject": "other/web"}, {"inject": "true", "user": "other/web"}])
def test_a_user_of_another_namespace_cannot_be_named(annotations: dict[str, str]) -> None:
    assert denied(pod(annotations=annotations)).startswith("422 iam.cloudsql.dev/")


@pytest.mark.parametrize(
    "name", ["p:r:i?private-ip=true", "p:r:i --token=x", "p:r:i\n--token=x", "--token=x", "p:r:i?port=1&x"]
)
def test_an_instance_carries_no_options_of_the_proxy(name: str) -> None:
    listed = f'[{{"name": "{name}"}}]'.replace("\n", "\\n")

    for value in (name, listed):
        assert "422 iam.cloudsql.dev/instances: " in denied(pod(annotations={"inject": "true", "instances": value}))


@pytest.mark.parametrize("context", [{"runAsUser": 0}, {"runAsNonRoot": True}, {"runAsGroup": 0, "fsGroup": 1}])
def test_what_the_pod_runs_as_does_not_reach_the_proxy(context: dict[str, Any]) -> None:
    own = proxy(injected(pod(securityContext=context)))["securityContext"]

    assert (own["runAsUser"], own["runAsGroup"], own["runAsNonRoot"]) == (65532, 65532, True)


def test_a_mesh_that_comes_after_us_ends_in_the_same_order() -> None:
    mesh = container("istio-proxy", restartPolicy="Always")
    before = injected(pod(initContainers=[container("istio-init"), mesh]))
    after = injected(pod(initContainers=[container("istio-init")]))
    # Istio puts its native sidecar first of those that are there
    after["spec"]["initContainers"].insert(0, mesh)

    order = [c["name"] for c in before["spec"]["initContainers"] if c["name"] != "istio-init"]
    assert order == [c["name"] for c in after["spec"]["initContainers"] if c["name"] != "istio-init"]
    assert not isinstance(planned(after), Injected)


def test_policies_about_images_and_probes_can_be_met() -> None:
    digest = f"gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.27.0@sha256:{'0' * 64}"
    settings = replace(SETTINGS, image=digest)

    made = proxy(injected(pod(annotations={"readiness-probe": "true"}), FACTS, settings))

    assert made["image"] == digest
    assert {"startupProbe", "readinessProbe", "resources", "securityContext"} <= made.keys()
