"""The tricky cases of granting by number, and the test that holds each; every one of those tests exists."""

import re
from pathlib import Path

import pytest
import yaml

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.parsing.objects import InvalidObject, parse_grant
from cloudsql_iam_operator.core.grants.decided.plan import Plan, plan
from cloudsql_iam_operator.core.grants.desired.entries import Entry, RoleEntry
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.snapshot import Role, Server, Snapshot
from cloudsql_iam_operator.core.reasons import Reason
from support.granting.wording import key, on_database, want

TESTS = Path(__file__).parents[3]

CASES = {
    1: "test_a_first_pass_grants_what_is_declared_and_a_second_writes_nothing",
    2: "test_one_new_table_under_a_wildcard_is_one_grant_naming_one_table",
    3: "test_a_wildcard_over_an_empty_schema_is_satisfied",
    4: "test_what_is_missing_waits_by_name_while_the_rest_is_applied",
    5: "test_what_is_missing_waits_by_name_while_the_rest_is_applied",
    6: "test_a_missing_database_is_waited_for_and_ends_a_deletion",
    7: "test_deleting_one_of_two_overlapping_objects_revokes_only_what_the_other_does_not_want",
    8: "test_two_deletions_in_one_pass_are_one_statement",
    9: "test_the_narrowed_part_of_a_wildcard_is_revoked_and_the_rest_is_left_alone",
    10: "test_exclusive_revokes_as_the_delegate_when_it_may",
    11: "test_exclusive_is_blocked_by_a_delegate_out_of_reach_and_does_not_loop",
    12: "test_a_grant_option_that_others_used_blocks_its_revoke_and_nothing_cascades",
    13: "test_a_table_of_an_owner_out_of_reach_is_reported_and_the_others_are_granted",
    14: "test_a_right_that_the_operator_cannot_pass_on_is_not_counted_as_granted",
    15: "test_a_revoked_privilege_that_everybody_has_is_said_to_stay",
    16: "test_a_routine_wildcard_takes_in_overloads_and_procedures_and_converges",
    17: "test_a_signature_names_one_overload_however_it_is_spelled",
    18: "test_a_signature_with_precise_types_and_a_weird_name_is_resolved",
    19: "test_a_wildcard_touches_its_own_kind_only",
    20: "test_a_partitioned_table_is_granted_alone_and_a_wildcard_takes_in_later_partitions",
    21: "test_the_preset_write_can_use_the_sequences_of_serial_columns",
    22: "test_a_column_that_the_table_privilege_covers_needs_no_statement",
    23: "test_a_dropped_column_is_not_seen",
    24: "test_all_is_what_the_server_has_for_the_kind",
    25: "test_a_privilege_that_the_version_does_not_have_is_refused_for_that_entry_only",
    26: "test_options_of_a_membership_are_refused_before_version_16",
    27: "test_exclusive_replaces_the_membership_of_a_grantor_within_reach",
    28: "test_a_membership_that_closes_a_loop_is_refused_before_any_statement",
    29: "test_default_privileges_are_set_for_everybody_who_may_create",
    30: "test_a_table_that_a_member_of_the_owner_made_as_itself_is_caught_by_the_wildcard",
    31: "test_nothing_can_be_taken_from_public_on_objects_to_come",
    32: "test_accounts_of_one_cut_name_are_refused_with_both_named",
    33: "test_emails_are_read_in_lower_case",
    34: "test_everybody_and_the_providers_roles_are_no_grantees",
    35: "test_a_role_whose_name_has_a_nul_is_refused_and_the_role_before_it_is_untouched",
    36: "test_hostile_role_names_are_quoted",
    37: "test_an_unreadable_signature_is_not_found_and_stops_no_other",
    38: "test_what_can_never_be_carried_out_is_refused",
    39: "test_a_hostile_schema_name_matches_nothing",
    40: "test_some_roles_are_never_given",
    41: "test_membership_in_a_role_that_reaches_a_powerful_one_is_refused_with_the_path",
    42: "test_system_schemas_are_refused",
    43: "test_a_power_takes_a_rule_that_gives_it",
    44: "test_a_refusal_names_what_no_rule_allows",
    45: "test_what_an_object_is_about_cannot_be_changed",
    46: "test_a_hundred_objects_at_once_are_one_connection_and_one_statement",
    47: "test_grants_in_a_loop_by_somebody_else_are_outlasted",
    48: "test_a_table_locked_by_a_migration_is_given_up_and_the_others_are_granted",
    49: "test_no_migration_fails_because_of_grants",
    50: "test_a_table_dropped_between_the_look_and_the_grant_fails_nothing",
    51: "test_an_event_trigger_that_vetoes_is_reported_with_its_words_and_not_asked_again",
    52: "test_drift_of_an_object_is_told_once_in_ten_minutes_and_counted_each_time",
    53: "test_what_a_restored_backup_lost_is_granted_again",
    54: "test_an_object_that_lost_its_status_revokes_nothing_it_cannot_prove",
    55: "test_a_deletion_waits_for_a_stopped_instance_until_it_runs_or_a_person_gives_up",
    56: "test_a_dropped_role_ends_its_part_of_a_deletion",
    57: "test_a_retained_grant_leaves_what_it_granted_and_sends_nothing",
    58: "test_a_plan_of_5000_statements_is_whole_beside_a_small_status",
    59: "test_an_approved_plan_is_not_executed_once_the_database_has_changed",
    60: "test_more_grantees_than_a_row_holds_are_refused_before_any_statement",
    61: "test_a_read_only_database_is_looked_at_and_not_written",
    62: "test_an_owner_needs_no_grant_on_what_it_owns",
    63: "test_the_operators_own_role_and_those_with_powers_are_no_grantees",
    64: "test_two_databases_are_worked_on_at_once",
    65: "test_an_operator_that_dies_between_transactions_is_completed_by_the_next_pass",
}


def snapshot(version: int) -> Snapshot:
    server = Server(version, "orders", 1, 11, 11, 11, False, "one")
    roles = {
        "op": Role(11, "op", False, False, True, True),
        "x": Role(20, "x", False, False, False, False),
        "reader": Role(21, "reader", False, False, False, False),
    }
    return Snapshot(server, roles, (), {"app": 100}, ())


def planned(version: int, *entries: Entry | RoleEntry) -> Plan:
    seen = snapshot(version)
    return plan({key("a"): want(*entries)}, {}, seen, Reach(seen, ()))


def test_every_case_has_its_test() -> None:
    there = {
        name
        for file in TESTS.rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }

    assert sorted(CASES) == list(range(1, 66))
    assert set(CASES.values()) - there == set()


def test_a_privilege_that_the_version_does_not_have_is_refused_for_that_entry_only() -> None:
    wanted = Entry(ObjectKind.TABLE, ("x",), ("MAINTAIN",), "app", ("*",))

    for version, reasons in ((15, [Reason.INVALID_SPEC]), (17, [])):
        done = planned(version, wanted, on_database("CONNECT"))
        assert [problem.reason for problem in done.problems[key("a")]] == reasons


def test_options_of_a_membership_are_refused_before_version_16() -> None:
    wanted = RoleEntry("reader", ("x",), inherit=False)

    before, since = planned(15, wanted), planned(16, wanted)

    assert [problem.reason for problem in before.problems[key("a")]] == [Reason.INVALID_SPEC]
    assert (before.memberships, len(since.memberships)) == ((), 1)


def test_nothing_can_be_taken_from_public_on_objects_to_come() -> None:
    body = yaml.safe_load((TESTS / "unit/api/crd_samples/grant-full.yaml").read_text())
    body["metadata"] |= {"uid": "u", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    assert parse_grant(body).future

    # Such defaults of one schema only add to those of the database, so PostgreSQL would change nothing.
    body["spec"]["future"][0]["revoke"] = ["EXECUTE"]
    with pytest.raises(InvalidObject, match="revoke"):
        parse_grant(body)
