"""The command lines of Google's database proxies: which flags there are, and how they are written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

TRUE = "true"
FALSE = ("false", "f", "0", "F", "False", "FALSE")
"""How a switch is turned off. Source: Go, strconv.ParseBool"""

REPEATED = "instances"


@dataclass(frozen=True, slots=True)
class Grammar:
    """Flags by their long names: those with a value, those without, and the one-letter names of some of either.

    `single` is whether one dash begins a long name too, as Go's own package `flag` has it.
    """

    valued: frozenset[str]
    switches: frozenset[str]
    letters: Mapping[str, str] = field(default_factory=dict)
    single: bool = False


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a command line says.

    `flags` maps long names to values, `true` for switches, None where it cannot be seen. Several `instances` are
    joined with commas; of other flags the last one counts. `unknown` are words that look like flags and are none.
    """

    flags: Mapping[str, str | None]
    operands: tuple[str, ...]
    unknown: tuple[str, ...] = ()

    def switched(self, *names: str) -> bool:
        """Whether one of the switches is on, as far as can be seen."""
        return any(name in self.flags and self.flags[name] not in FALSE for name in names)


def words(text: str) -> frozenset[str]:
    """The words of the text."""
    return frozenset(text.split())


def port_number(text: str | None) -> int | None:
    """The number that the text is, None when it is none that a port may have."""
    plain = text is not None and text.isascii() and text.isdecimal() and len(text) <= len("65535")
    return int(text) if text is not None and plain else None


OF_A_PROXY = words(
    "auto-iam-authn auto-ip exit-zero-on-sigterm impersonate-service-account lazy-refresh private-ip psc quitquitquit "
    "structured-logs unix-socket"
)
"""Flags that tell a proxy, even beside others that nobody knows yet."""

_COMMON_VALUED = words(
    "address port unix-socket token credentials-file json-credentials impersonate-service-account max-connections "
    "max-sigterm-delay min-sigterm-delay telemetry-project telemetry-sample-rate telemetry-prefix "
    "prometheus-namespace http-address http-port admin-port universe-domain user-agent fuse fuse-tmp-dir config-file "
    "static-connection-info"
)
_COMMON_SWITCHES = words(
    "auto-iam-authn psc gcloud-auth structured-logs quiet debug-logs prometheus health-check debug quitquitquit "
    "disable-traces disable-metrics run-connection-test lazy-refresh exit-zero-on-sigterm version help"
)
_LETTERS = {"a": "address", "p": "port", "u": "unix-socket", "t": "token", "c": "credentials-file"}
_SWITCH_LETTERS = {"i": "auto-iam-authn", "g": "gcloud-auth", "l": "structured-logs", "v": "version", "h": "help"}

V2 = Grammar(
    valued=_COMMON_VALUED | {"login-token", "sqladmin-api-endpoint", "quota-project"},
    switches=_COMMON_SWITCHES | {"private-ip", "auto-ip", "sql-data", "skip-failed-instance-config"},
    letters=_LETTERS | _SWITCH_LETTERS | {"j": "json-credentials"},
)
"""Source: Cloud SQL Auth Proxy 2.27, `cloud-sql-proxy --help`"""

ALLOYDB = Grammar(
    valued=_COMMON_VALUED | {"alloydbadmin-api-endpoint", "api-endpoint"},
    switches=_COMMON_SWITCHES | {"public-ip"},
    letters=_LETTERS | _SWITCH_LETTERS | {"j": "json-credentials"},
)
"""Source: AlloyDB Auth Proxy, `alloydb-auth-proxy --help`"""

V1 = Grammar(
    valued=words(
        "refresh_config_throttle dir projects instances instances_metadata fuse_tmp max_connections fd_rlimit "
        "term_timeout token credential_file ip_address_types host quota_project health_check_port"
    ),
    switches=words(
        "version verbose quiet log_debug_stdout structured_logs check_region fuse enable_iam_login "
        "skip_failed_instance_config use_http_health_check help"
    ),
    single=True,
)
"""Source: Cloud SQL proxy 1.33, `cloud_sql_proxy -help`"""


def read(words: Sequence[str], grammar: Grammar) -> Invocation:
    """What the arguments say. An unknown flag is taken to have no value of its own after it."""
    flags: dict[str, list[str]] = {}
    operands: list[str] = []
    unknown: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            operands += rest
        elif len(word) < 2 or word[0] != "-":
            operands.append(word)
        else:
            known = tuple(_named(word, rest, grammar))
            for name, value in known:
                flags.setdefault(name, []).append(value)
            if not known:
                unknown.append(word)
    said = {name: ",".join(values) if name == REPEATED else values[-1] for name, values in flags.items()}
    return Invocation(said, tuple(operands), tuple(unknown))


def _named(word: str, rest: Iterator[str], grammar: Grammar) -> Iterator[tuple[str, str]]:
    """Long names and values in one word, which may take its value from the next; nothing for an unknown flag."""
    if not word.startswith("--") and not grammar.single:
        yield from _letters(word[1:], rest, grammar)
        return
    name, equals, value = word.removeprefix("-").removeprefix("-").partition("=")
    if name in grammar.switches:
        yield name, value if equals else TRUE
    elif name in grammar.valued:
        yield name, value if equals else next(rest, "")


def _letters(letters: str, rest: Iterator[str], grammar: Grammar) -> Iterator[tuple[str, str]]:
    """A cluster such as `il` or `ip5432`.

    Source: pflag, "Command line flag syntax"
    """
    for index, letter in enumerate(letters):
        name = grammar.letters.get(letter)
        if name is None:
            return
        if name in grammar.valued:
            yield name, letters[index + 1 :].removeprefix("=") or next(rest, "")
            return
        yield name, TRUE
