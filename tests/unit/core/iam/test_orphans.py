"""Bindings under a title of the operator's that no object wants."""

from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef, Condition
from cloudsql_iam_operator.core.iam.policy import Policy, PolicyChange, orphaned, plan

LOGIN = "roles/cloudsql.instanceUser"
PLACE = "resource.name == 'projects/acme-prod/instances/orders' && resource.type == 'sqladmin.googleapis.com/Instance'"
OURS = Condition("cloudsql-iam-operator/orders", "only instance orders", PLACE)
OFFICE = Condition("office hours", "somebody else's", "true")


def policy(*bindings: Binding) -> Policy:
    entries = []
    for binding in bindings:
        condition = binding.condition or Condition("", "", "")
        told = {"title": condition.title, "description": condition.description, "expression": condition.expression}
        entries.append({"role": binding.role, "members": [binding.member], "condition": told})
    return Policy({"etag": "1", "bindings": entries})


def test_what_carries_our_title_and_nobody_wants_holds_or_removes_is_orphaned() -> None:
    names = ("wanted", "held", "going", "left")
    mine = {name: Binding(LOGIN, f"user:{name}@acme.com", OURS) for name in names}
    foreign = Binding(LOGIN, "user:ann@acme.com", OFFICE)
    asked = PolicyChange(
        wanted=frozenset({mine["wanted"]}),
        held=frozenset({mine["held"].ref}),
        removable=frozenset({mine["going"].ref}),
    )

    found = orphaned(policy(*mine.values(), foreign), asked)

    assert found == {BindingRef("user:left@acme.com", LOGIN, OURS.title)}


def test_a_binding_of_our_title_that_says_another_thing_is_left_alone_and_shown() -> None:
    edited = Binding(LOGIN, "user:wanted@acme.com", Condition(OURS.title, OURS.description, "true"))
    asked = PolicyChange(removable=frozenset({edited.ref}))

    assert orphaned(policy(edited), asked) == {edited.ref}
    assert not plan(policy(edited), asked).changes
