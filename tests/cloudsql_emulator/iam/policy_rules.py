"""What Google refuses in a policy that somebody writes, and in which words; storing it is in `policies`.

Source: IAM "Quotas and limits", Resource Manager API v3 (Policy); texts from public issue reports
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from cloudsql_emulator.iam import condition_rules
from cloudsql_emulator.iam.directory import Directory
from cloudsql_emulator.iam.members import address_of, canonical, kind_of, workload_project
from cloudsql_emulator.iam.policies import (
    CONDITIONAL_VERSION,
    Document,
    Grant,
    grants,
    has_conditions,
    same_etag,
)
from cloudsql_emulator.iam.role_catalog import RoleCatalog
from cloudsql_emulator.switches import Switches

MOST_MEMBERS = 1_500
MOST_GROUPS = 250
MOST_CONDITIONS = 20
_KINDS = {"user": "User", "serviceAccount": "Service account", "group": "Group"}
_UNCHECKED_KINDS = {"deleted", "domain", "principal", "principalSet", "projectOwner", "projectEditor", "projectViewer"}


class PolicyRefused(Exception):
    """A policy was not stored; the message is Google's. `details` are there when a precondition failed."""

    def __init__(self, message: str, details: Sequence[Document] = ()) -> None:
        super().__init__(message)
        self.details = details


class PolicyChanged(Exception):
    """The etag is not that of the stored policy; the message is Google's."""


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """Checks a policy that is to replace another, against who and what exists."""

    directory: Directory
    roles: RoleCatalog
    projects: frozenset[str]
    switches: Switches

    def check_etag(self, stored: Document, submitted: Document) -> None:
        """Refuse a write that is based on an older policy; without an etag anything goes.

        Raises:
            PolicyChanged: somebody wrote in between.
        """
        etag = submitted.get("etag") or ""
        try:
            is_stale = bool(etag) and not same_etag(etag, stored["etag"])
        except ValueError as error:
            told = f"Invalid value at 'policy.etag' (TYPE_BYTES), Base64 decoding failed for \"{etag}\""
            raise PolicyRefused(told) from error
        if is_stale:
            raise PolicyChanged(
                "There were concurrent policy changes. Please retry the whole read-modify-write with exponential "
                f"backoff. The request's ETag '{etag}' did not match the current policy's ETag '{stored['etag']}'."
            )

    def check(self, stored: Document, submitted: Document, *, project: str, is_project: bool) -> None:
        """Refuse what cannot be stored. Roles and members of the stored policy are taken back as they are.

        Conditions, limits and the organisation's domains count for the whole policy. `project` is whose it is.

        Raises:
            PolicyRefused: with Google's words.
        """
        _check_version(stored, submitted)
        known = set(grants(stored))
        known_members = {grant.member for grant in known}
        known_roles = {grant.role for grant in known}
        for binding in submitted.get("bindings", []):
            self._check_role(binding.get("role", ""), known_roles)
            for member in binding.get("members", []):
                if canonical(member) not in known_members:
                    self._check_member(member)
            self._check_condition(binding, is_project=is_project)
        _check_limits(grants(submitted))
        self._check_domains(grants(submitted), project)

    def _check_role(self, role: str, known: set[str]) -> None:
        if role not in known and not self.roles.knows(role):
            raise PolicyRefused(f"Role {role} is not supported for this resource.")

    def _check_member(self, member: str) -> None:
        kind, address = kind_of(member), address_of(member)
        if member in {"allUsers", "allAuthenticatedUsers"}:
            # GUESS: refused on projects, the words are not known
            raise PolicyRefused(f"Member {member} is not supported for this resource.")
        pool_project = workload_project(member)
        if pool_project is not None:
            if pool_project not in self.projects:
                pool = f"{pool_project}.svc.id.goog"
                raise PolicyRefused(
                    f"Identity Pool does not exist ({pool}). Please check that you specified a valid "
                    "resource name as returned in the `name` attribute in the configuration API."
                )
            return
        if kind in _UNCHECKED_KINDS:
            return
        if kind not in _KINDS or not address:
            # GUESS: the words
            raise PolicyRefused(f"Invalid principal {member}: it has no known type prefix.")
        self._check_account(kind, address)

    def _check_account(self, kind: str, address: str) -> None:
        found = self.directory.find(address)
        if found is None:
            raise PolicyRefused(f"{_KINDS[kind]} {address} does not exist.")
        if found.kind != kind:
            raise PolicyRefused(
                f'Account {address} is of type "{found.kind}". Please set the type prefix to be "{found.kind}:".'
            )

    def _check_condition(self, binding: Document, *, is_project: bool) -> None:
        condition, role = binding.get("condition"), binding.get("role", "")
        if not condition:
            return
        if not is_project and role.startswith("roles/cloudsql."):
            raise PolicyRefused(f"Role {role} is not supported for this resource.")
        told = condition_rules.refusal(role, condition, tuple(self.switches.refused_conditions))
        if told is not None:
            raise PolicyRefused(told)

    def _check_domains(self, listed: Iterable[Grant], project: str) -> None:
        domains = tuple(self.switches.permitted_domains)
        strangers = sorted({grant.member for grant in listed if not _is_permitted(grant.member, domains)})
        if not strangers:
            return
        if self.switches.domain_refusal == "bare":
            raise PolicyRefused(f"{_STRANGERS}, perhaps due to an organization policy.")
        violations = [_violation(address_of(member) or member, project) for member in strangers]
        failed = {"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": violations}
        raise PolicyRefused(f"{_STRANGERS}.", [failed])


_STRANGERS = "One or more users named in the policy do not belong to a permitted customer"


def _violation(address: str, project: str) -> Document:
    """Source: terraform-example-foundation issue 1454."""
    return {
        "type": "constraints/iam.allowedPolicyMemberDomains",
        "subject": f"orgpolicy:projects/{project}?configvalue={quote(address, safe='')}",
        "description": f"User {address} is not in permitted organization.",
    }


def _is_permitted(member: str, domains: tuple[str, ...]) -> bool:
    # GUESS: service accounts of the emulated projects are the organisation's own, the deleted are not looked at
    kind, address = kind_of(member), address_of(member)
    return not domains or kind not in {"user", "group", "domain"} or address.rpartition("@")[2].lower() in domains


def _check_version(stored: Document, submitted: Document) -> None:
    version = submitted.get("version", 0)
    if version not in {0, 1, CONDITIONAL_VERSION}:
        raise PolicyRefused(f"Invalid policy version ({version}).")  # GUESS: the words
    # Without an etag the write is blind, and conditions can be lost: that is documented.
    if has_conditions(stored) and version < CONDITIONAL_VERSION and submitted.get("etag"):
        raise PolicyRefused(
            f"Specified policy version ({version or 1}) cannot be less than the existing policy version (3)"
        )
    if has_conditions(submitted) and version < CONDITIONAL_VERSION:
        raise PolicyRefused("Policies with conditional role bindings must specify version 3.")  # GUESS: the words


def _check_limits(listed: Iterable[Grant]) -> None:
    all_grants = list(listed)
    if len(all_grants) > MOST_MEMBERS:
        raise PolicyRefused(
            f"The number of members in the policy ({len(all_grants):,}) is larger than the maximum allowed size "
            f"{MOST_MEMBERS:,}."
        )
    groups = sum(kind_of(grant.member) in {"group", "domain"} for grant in all_grants)
    if groups > MOST_GROUPS:
        # GUESS: the words, by analogy
        raise PolicyRefused(
            f"The number of groups in the policy ({groups:,}) is larger than the maximum allowed size {MOST_GROUPS:,}."
        )
    conditions = Counter((grant.role, grant.member) for grant in set(all_grants))
    if any(count > MOST_CONDITIONS for count in conditions.values()):
        # GUESS: the words
        raise PolicyRefused(f"A principal is in more than {MOST_CONDITIONS} conditional bindings of one role.")
