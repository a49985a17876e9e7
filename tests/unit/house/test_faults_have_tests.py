"""Each fault of IAM bindings and database users that is known to happen has a test, which is named here beside it."""

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
LANES = "integration/google/test_lanes.py"
POLICY = "integration/google/test_policy_edges.py"
USERS = "integration/google/test_user_faults.py"

FAULTS: Mapping[str, tuple[str, str]] = {
    "the principal does not exist": (LANES, "test_an_absent_principal_fails_alone_in_policy_and_users"),
    "an account is deleted and made again": (
        USERS,
        "test_an_account_that_is_deleted_and_made_again_gets_its_binding_anew_beside_its_tombstone",
    ),
    "a deleted: member stands in the policy": (POLICY, "test_a_deleted_account_and_the_one_made_again_are_two"),
    "the policy holds 1,499 principals, and 1,500": (
        POLICY,
        "test_the_last_place_of_a_policy_is_taken_and_the_one_after_is_told_as_full",
    ),
    "the 251st group, and the 21st condition": (
        POLICY,
        "test_the_group_after_the_last_and_the_condition_after_the_last_are_told_before_a_write",
    ),
    "somebody else writes between our read and our write": (
        POLICY,
        "test_another_writer_between_read_and_write_loses_nothing_in_a_hundred_rounds",
    ),
    "409, 412, 429 and 503 again and again": (
        POLICY,
        "test_a_storm_ends_in_what_was_asked_and_costs_a_call_at_a_time",
    ),
    "the connection is reset after a policy was sent": (
        POLICY,
        "test_after_a_reset_connection_the_binding_is_there_once_and_ours",
    ),
    "the connection is reset after a user was made": (
        USERS,
        "test_an_answer_that_was_lost_after_the_user_was_made_leaves_it_ours",
    ),
    "an operation stays RUNNING": (
        USERS,
        "test_an_operation_that_does_not_end_gives_no_right_to_log_in_and_is_taken_up_when_it_has",
    ),
    "an operation is DONE with an error": (
        USERS,
        "test_an_operation_that_is_done_with_an_error_is_told_and_tried_again",
    ),
    "an operation is DONE with an error and took effect": (
        USERS,
        "test_an_operation_that_failed_and_took_effect_all_the_same_leaves_a_user_of_ours",
    ),
    "the instance stops midway": (USERS, "test_an_instance_that_stops_midway_is_told_and_what_was_given_stays"),
    "the flag is switched off": (USERS, "test_a_flag_that_is_switched_off_is_told_and_what_was_given_stays"),
    "the object is made again under its name": (
        USERS,
        "test_an_object_that_is_made_again_under_its_name_does_not_take_what_the_first_had_for_its_own",
    ),
    "the namespace is deleted": (USERS, "test_a_namespace_that_is_gone_takes_access_user_and_binding_along"),
}
"""By fault, the file and the name of the test that meets it on the emulator."""


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_test(fault: str) -> None:
    file, name = FAULTS[fault]
    tree = ast.parse((TESTS / file).read_text())

    test = next((one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == name), None)

    assert test is not None
    assert "skip" not in "".join(map(ast.unparse, test.decorator_list))
    assert any(isinstance(node, ast.Assert) for node in ast.walk(test))
