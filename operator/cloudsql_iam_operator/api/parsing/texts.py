"""What strings in manifests may look like, one rule for each notion; the CRDs hold the same rules as schema."""

import re
import unicodedata
from dataclasses import dataclass, field

ACCOUNT_SUFFIX = ".gserviceaccount.com"
"""How e-mails of service accounts end; a database user is called the same without it."""

USERNAME_ENDS = (".iam", "@developer")
"""How the database users of service accounts end, as no e-mail does."""

_SHOWN = 80
"""Characters of a wrong value that a message repeats."""


@dataclass(frozen=True, slots=True)
class Text:
    """A rule for a string: what it is called in messages, its pattern, and its longest length in bytes.

    `folded` strings mean the same in any case and are read in lower case. `role`: no e-mail is one. `example` is one
    that it allows.
    """

    what: str
    pattern: re.Pattern[str]
    longest: int
    folded: bool = False
    role: bool = False
    refused: frozenset[str] = field(default_factory=frozenset)
    example: str = ""

    def problem(self, value: str) -> str:
        """Why the rule does not allow the string; "" when it does."""
        if len(value) > self.longest:
            return f"is {shown(value)}, {len(value)} characters; {self.what} has at most {self.longest} bytes"
        try:
            length = len(value.encode())
        except UnicodeEncodeError:
            return f"is {shown(value)}, which is not valid text"
        if length > self.longest:
            return f"is {shown(value)}, {length} bytes; {self.what} has at most {self.longest}"
        if self.pattern.fullmatch(value) is None:
            return f"is {shown(value)}, which is not {self.what}{self._such_as()}"
        return self._misread(value)

    def _misread(self, value: str) -> str:
        """Why a string of the right form does not mean what it should."""
        if value.strip().lower() in self.refused:
            return f"is {shown(value)}, which stands for everybody or nobody and is never {self.what}"
        if self.role and value.lower().endswith(ACCOUNT_SUFFIX):
            name = value[: -len(ACCOUNT_SUFFIX)]
            return f"is {shown(value)}, an account's e-mail; its database user is called {shown(name)}"
        return ""

    def _such_as(self) -> str:
        return f", such as {self.example}" if self.example else ""


def shown(value: object) -> str:
    """The value as a message repeats it: quoted, in ASCII, cut."""
    # what is cut anyway is not looked at: a value can be as large as an object
    text = ascii(value[: _SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def printed(text: str) -> str:
    """The text as it may be put before a person: what a terminal acts on, or shows out of its place, is written out.

    That is control characters but line feed and tab, and the marks that turn the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or not _acts(c) else c.encode("unicode_escape").decode() for c in text)


def _acts(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


_PRINTABLE = r"[^\x00-\x1f\x7f-\x9f]"
_SOLID = r"[^\s\x00-\x1f\x7f-\x9f]"

OBJECT_NAME = Text(
    "a Kubernetes object name", re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"), 253, example="orders-prod"
)
LABEL_NAME = Text(
    "a name of lower-case letters, digits and dashes",
    re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"),
    63,
    example="orders",
)
LABEL_KEY = Text("a label key", re.compile(r"\S+"), 317, example="team")
LABEL_OPERATOR = Text("one of In, NotIn, Exists, DoesNotExist", re.compile("In|NotIn|Exists|DoesNotExist"), 63)
LABEL_VALUE = Text("a label value", re.compile(r"\S*"), 63, example="orders")
CONNECTION_NAME = Text(
    "a connection name PROJECT:REGION:INSTANCE",
    re.compile(r"(?:[a-z0-9][a-z0-9.-]*:)?[a-z0-9][a-z0-9-]*:[a-z][a-z0-9-]*:[a-z][a-z0-9-]*"),
    200,
    example="acme-prod:europe-west1:orders",
)
IDENTIFIER = Text("a PostgreSQL name without control characters", re.compile(f"{_PRINTABLE}+"), 63, example="app")
OPTIONAL_IDENTIFIER = Text(
    "a PostgreSQL name without control characters, or empty", re.compile(f"{_PRINTABLE}*"), 63, example="app_owner"
)
ROLE = Text(
    "a database role", IDENTIFIER.pattern, 63, role=True, refused=frozenset({"public", "none"}), example="app_ro"
)
OBJECT_OF_DATABASE = Text("the name of a database object", re.compile(f"{_PRINTABLE}+"), 2048, example="orders")
"""Names of objects; longer than a PostgreSQL name, because a routine carries its argument types."""
GLOB_OF_NAMES = Text("a name or glob of database objects", re.compile(f"{_PRINTABLE}+"), 512, example="order_*")
LARGE_OBJECT = Text("the number of a large object", re.compile("[0-9]{1,10}"), 10, example="16403")
IAM_ROLE = Text(
    "an IAM role",
    re.compile(r"(?:roles|projects/[a-z0-9.:-]+/roles|organizations/[0-9]+/roles)/[A-Za-z0-9_.]+"),
    256,
    example="roles/cloudsql.client or projects/acme-prod/roles/dbLogin",
)
ADDRESS_PATTERN = Text("a pattern of e-mails", re.compile(f"{_SOLID}+"), 254, folded=True, example="*@acme.com")
WORKFORCE_IDENTITY = Text(
    "a workforce identity",
    re.compile(r"principal://iam\.googleapis\.com/locations/global/workforcePools/[a-z0-9-]+/subject/" + _SOLID + "+"),
    2048,
    example="principal://iam.googleapis.com/locations/global/workforcePools/POOL/subject/SUBJECT",
)
# in the Unicode mode `(?i:k)` and `(?i:s)` have look-alikes outside of ASCII
_ACCOUNT = re.compile(r"[a-z0-9.-]+@[a-z0-9.-]+\.gserviceaccount\.com", re.ASCII | re.IGNORECASE)
SERVICE_ACCOUNT = Text(
    "a service account's e-mail",
    _ACCOUNT,
    254,
    folded=True,
    example="checkout@acme-prod.iam.gserviceaccount.com",
)
WORKFORCE_PATTERN = Text(
    "a pattern of workforce identities that names their pool",
    re.compile(r"principal://iam\.googleapis\.com/locations/global/workforcePools/[a-z0-9-]+/subject/" + _SOLID + "+"),
    512,
    example="principal://iam.googleapis.com/locations/global/workforcePools/POOL/subject/*",
)
_ADDRESS = re.compile(
    r"(?!(?i:.*(?:\.gserviceaccount\.com|\.iam|@developer))$)[^\s@:\x00-\x1f\x7f-\x9f]+@[A-Za-z0-9.-]+"
)
PERSON = Text("the e-mail of a person", _ADDRESS, 63, folded=True, example="ann@acme.com")
GROUP_ADDRESS = Text("the e-mail of a Google group", _ADDRESS, 63, folded=True, example="team@acme.com")
