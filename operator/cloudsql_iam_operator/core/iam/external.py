"""Bindings that somebody else makes: which of those a login needs are missing, and the command that adds one."""

from collections.abc import Iterable

from cloudsql_iam_operator.core.gcloud import bind_on_project
from cloudsql_iam_operator.core.iam.bindings import Binding, Condition, folded

_AND = " && "
_END = "request.time < "
_PLACE = ("resource.name == ", "resource.type == ")


def missing(wanted: Iterable[Binding], found: Iterable[Binding]) -> tuple[Binding, ...]:
    """The wanted bindings that nothing found serves for, sorted."""
    there = list(found)
    absent = [binding for binding in wanted if not any(serves(one, binding) for one in there)]
    return tuple(sorted(absent, key=lambda binding: binding.order))


def serves(found: Binding, wanted: Binding) -> bool:
    """Whether a binding lets in as the wanted one does, and ends no later.

    One for another instance or until another time does not. Conditions of other kinds are their author's to know, and
    serve; so does one that is wider than asked, but for an end, which must be in it.
    """
    if (found.role, folded(found.member)) != (wanted.role, folded(wanted.member)):
        return False
    there, asked = _terms(found.condition), _terms(wanted.condition)
    ends = {term for term in asked if term.startswith(_END)}
    return ends <= there and all(term in asked for term in there if term.startswith((_END, *_PLACE)))


def way_to_add(binding: Binding, project: str) -> str:
    """The gcloud command that adds a binding, for a shell."""
    told = bind_on_project(project, binding.role, f"--member={binding.member}")
    if binding.condition is None:
        return f"{told} --condition=None"
    title = binding.condition.title.rpartition("/")[2]
    # made of names that the schema bounds: nothing in it means anything to a shell between these quotes
    return f'{told} --condition="title={title} login,expression={binding.condition.expression}"'


def _terms(condition: Condition | None) -> set[str]:
    return set(condition.expression.split(_AND)) if condition else set()
