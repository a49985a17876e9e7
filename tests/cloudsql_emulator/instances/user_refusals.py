"""In which words Cloud SQL refuses users, and the checks that need no database; the rest is in `users`.

Source: public issue reports that quote the API. Words that nobody has quoted are marked GUESS.
"""

from cloudsql_emulator.api.errors import ApiError, invalid
from cloudsql_emulator.iam.directory import Directory
from cloudsql_emulator.iam.members import LONGEST_NAME, SERVICE_ACCOUNT_SUFFIX
from cloudsql_emulator.roles import is_system_role
from cloudsql_emulator.switches import Switches

_KIND_OF_TYPE = {
    "CLOUD_IAM_USER": "user",
    "CLOUD_IAM_SERVICE_ACCOUNT": "serviceAccount",
    "CLOUD_IAM_GROUP": "group",
}
_MADE_BY_CLOUD_SQL = {
    "CLOUD_IAM_GROUP_USER",
    "CLOUD_IAM_GROUP_SERVICE_ACCOUNT",
    "CLOUD_IAM_GROUP_WORKFORCE_IDENTITY",
}


def check_shape(name: str, kind: str, *, has_password: bool, host: str) -> None:
    """Refuse what no user can be."""
    if kind == "BUILT_IN":
        if is_system_role(name) or not name:
            raise invalid(f'failed to create user "{name}": the name is reserved.')  # GUESS
        return
    if kind not in {*_KIND_OF_TYPE, "CLOUD_IAM_WORKFORCE_IDENTITY", *_MADE_BY_CLOUD_SQL}:
        raise invalid(f"User type {kind} is not supported for this instance.")  # GUESS
    if has_password or host:
        raise invalid("For IAM users, password or hostname should not be specified.")
    if kind == "CLOUD_IAM_SERVICE_ACCOUNT" and name.endswith(SERVICE_ACCOUNT_SUFFIX):
        raise invalid(
            'Database username for Cloud IAM service account should be created without ".gserviceaccount.com" suffix.'
        )


def check_length(name: str, kind: str, switches: Switches) -> None:
    """Refuse what PostgreSQL would cut; Cloud SQL is known to cut the names of service accounts itself."""
    if kind == "BUILT_IN" or (kind == "CLOUD_IAM_SERVICE_ACCOUNT" and switches.cut_names != "refuse"):
        return
    if len(name.encode()) > LONGEST_NAME:
        raise invalid(f'failed to create user "{name}": the name is longer than {LONGEST_NAME} bytes.')  # GUESS


def check_principal(name: str, kind: str, directory: Directory, switches: Switches) -> None:
    """Refuse an IAM user whom Google does not know."""
    if kind in _MADE_BY_CLOUD_SQL:
        raise invalid(f"User type {kind} cannot be created.")  # GUESS
    if kind not in _KIND_OF_TYPE:
        return
    if kind == "CLOUD_IAM_GROUP" and not switches.group_authentication:
        raise invalid("IAM Group Authentication is disabled.")
    address = f"{name}{SERVICE_ACCOUNT_SUFFIX}" if kind == "CLOUD_IAM_SERVICE_ACCOUNT" else name
    account = directory.find(address)
    if account is None or account.email != address.lower() or account.kind != _KIND_OF_TYPE[kind]:
        # Google's text has a blank before the comma for groups; for users it is a GUESS by analogy
        shown = f"{address} " if kind == "CLOUD_IAM_GROUP" else address
        raise invalid(f"Provided {kind}: {shown}, does not exist.")


def check_other_type(name: str, present: str, switches: Switches) -> None:
    """Refuse to make a user over one of another type."""
    if present in _MADE_BY_CLOUD_SQL:
        # GUESS: that it is refused is documented, the words are not
        raise invalid(f'failed to create user "{name}": it exists as a member of an IAM group.')
    if switches.other_type == "refuse":
        raise invalid(f'failed to create user "{name}": a user of type {present} exists.')  # GUESS


def check_group_count(count: int, most: int) -> None:
    """Refuse one group too many."""
    if count >= most:
        raise invalid(f"An instance can have at most {most} IAM groups.")  # GUESS: the words


def absent(name: str, switches: Switches) -> ApiError:
    """There is no such user: GUESS, no answer of Google's to this is known."""
    if switches.absent_user == "invalid":
        return invalid(f'failed to delete user {name}: . role "{name}" does not exist.')
    return ApiError(404, "notFound", f"The user {name} does not exist.")


def role_missing(verb: str, name: str, role: str) -> ApiError:
    """A role that the user is to be in does not exist; with an IAM system role the instance's flag is off."""
    return invalid(f'failed to {verb} user "{name}": role "{role}" does not exist.')


def role_not_grantable(verb: str, name: str, role: str) -> ApiError:
    """A system role other than cloudsqlsuperuser was asked for: GUESS at the words."""
    return invalid(f'failed to {verb} user "{name}": system role "{role}" cannot be granted.')


def has_dependents(name: str, details: str) -> ApiError:
    """PostgreSQL would not drop the role; `details` are its lines."""
    return invalid(
        f'failed to delete user {name}: . role "{name}" cannot be dropped because some objects depend on it '
        f"Details: {details.rstrip()}."
    )


def group_derived_cannot_be_deleted(name: str) -> ApiError:
    """Only Cloud SQL removes users that came through a group: GUESS at the words."""
    return invalid(f"failed to delete user {name}: users that were added through an IAM group cannot be deleted.")
