"""Names of resources as parts of a URL's path. What somebody wrote never becomes more than one part."""

from urllib.parse import quote


def project_path(project: str) -> str:
    """A project's name in the Resource Manager API; the colon of one that is scoped to a domain stays."""
    return f"projects/{quote(project, safe=':')}"


def account_path(email: str) -> str:
    """A service account's name in the IAM APIs, in whichever project it is.

    The client leaves `/`, `:`, `?` and `#` as they are in a whole name, and each would ask for something else.
    """
    return f"projects/-/serviceAccounts/{quote(email, safe='@')}"
