"""The gcloud commands that pages and messages give, and how each is written; a test holds it against a real gcloud."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EVERYWHERE = frozenset({"--project", "--format", "--impersonate-service-account"})


@dataclass(frozen=True, slots=True)
class Verb:
    """How many names a command takes, which flags it must have, and which it may."""

    names: range
    needed: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()


def _verb(names: int, *needed: str, allowed: Sequence[str] = (), more: int = 0) -> Verb:
    return Verb(range(names, names + more + 1), frozenset(needed), frozenset(allowed))


VERBS: Mapping[tuple[str, ...], Verb] = {
    ("auth", "application-default", "login"): _verb(0),
    ("billing", "projects", "link"): _verb(1, "--billing-account"),
    ("container", "node-pools", "update"): _verb(1, "--cluster", "--location", "--workload-metadata"),
    ("iam", "roles", "create"): _verb(1, "--file", "--project"),
    ("iam", "service-accounts", "add-iam-policy-binding"): _verb(1, "--role", "--member"),
    ("iam", "service-accounts", "create"): _verb(1, "--project"),
    ("iam", "service-accounts", "describe"): _verb(1),
    ("iam", "service-accounts", "keys", "list"): _verb(0, "--iam-account"),
    ("iam", "workload-identity-pools", "create-cred-config"): _verb(
        1, "--credential-source-file", "--output-file", allowed=("--service-account",)
    ),
    ("projects", "add-iam-policy-binding"): _verb(1, "--role", "--member", "--condition"),
    ("projects", "get-iam-policy"): _verb(1),
    ("services", "enable"): _verb(1, "--project", more=19),
    ("sql", "generate-login-token"): _verb(0),
    ("sql", "instances", "describe"): _verb(1),
    ("sql", "instances", "patch"): _verb(1, "--database-flags"),
    ("sql", "users", "assign-roles"): _verb(1, "--instance", "--type", allowed=("--database-roles",)),
    ("sql", "users", "create"): _verb(1, "--instance", "--type"),
    ("sql", "users", "set-password"): _verb(1, "--instance", "--prompt-for-password"),
}
"""By the words of the command. `--condition` is needed where a policy may hold conditions: gcloud asks."""

NEWER = frozenset({("sql", "users", "assign-roles")})
"""Commands that gcloud 528 does not have yet. Source: gcloud reference, 2026-05"""


def faults(command: str) -> list[str]:
    """What is wrong with a command, [] when it is as gcloud takes it."""
    words = shlex.split(command.partition(" > ")[0], comments=True)
    if words[:1] != ["gcloud"]:
        return ["it is no gcloud command"]
    path = next((path for path in VERBS if tuple(words[1 : 1 + len(path)]) == path), None)
    if path is None:
        return [f"{' '.join(words[1:4])} is not among the commands that are known here"]
    verb, rest = VERBS[path], words[1 + len(path) :]
    flags = {word.partition("=")[0] for word in rest if word.startswith("-")}
    names = [word for word in rest if not word.startswith("-")]
    conditions = [word.partition("=")[2] for word in rest if word.startswith("--condition=")]
    told = [fault for condition in conditions for fault in _condition_faults(condition)]
    told += [f"{flag} is missing" for flag in sorted(verb.needed - flags)]
    told += [f"{flag} is no flag of it" for flag in sorted(flags - verb.needed - verb.allowed - EVERYWHERE)]
    return told + ([f"it takes other than {len(names)} names"] if len(names) not in verb.names else [])


def _condition_faults(text: str) -> list[str]:
    """What gcloud says of a condition: parts with commas between them, or with what is named first (`^;^…`).

    Source: `gcloud topic escaping`
    """
    delimiter = ","
    if text.startswith("^") and "^" in text[1:]:
        delimiter, _, text = text[1:].partition("^")
    keys = {part.partition("=")[0] for part in text.split(delimiter)}
    if keys in ({"None"}, {"title", "expression"}):
        return []
    return [f"a condition has title and expression; this one has {sorted(keys)}"]
