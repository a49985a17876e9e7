"""Which containers are Cloud SQL proxies: by what they run, dial and listen on, never by the container's name alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from cloudsql_iam_operator.api.parsing.images import split_image
from cloudsql_iam_operator.api.parsing.texts import CONNECTION_NAME
from cloudsql_iam_operator.core.injection.neighbours import flags, shell
from cloudsql_iam_operator.core.injection.neighbours.flags import Grammar, Invocation
from cloudsql_iam_operator.core.injection.neighbours.proxies import Dialled, OtherProxy, ProxyKind
from cloudsql_iam_operator.core.injection.neighbours.variables import Environment, Variables
from cloudsql_iam_operator.core.injection.pod import Container, Pod
from cloudsql_iam_operator.core.injection.shelf import kept

PROGRAMS: Mapping[str, ProxyKind] = MappingProxyType(
    {
        "cloud_sql_proxy": ProxyKind.V1,
        "gce-proxy": ProxyKind.V1,
        "cloud-sql-proxy": ProxyKind.V2,
        "cloudsql-proxy": ProxyKind.V2,
        "cloud-sql-auth-proxy": ProxyKind.V2,
        "cloudsql-auth-proxy": ProxyKind.V2,
        "alloydb-auth-proxy": ProxyKind.ALLOYDB,
    }
)
"""Last steps of the names of the programs, and of images wherever they are mirrored."""

TALKERS = frozenset({"echo", "printf", "logger"})
"""Programs that only speak of what they are told."""

NOT_SERVING = frozenset({"wait", "shutdown", "help", "completion"})
"""Commands of the proxies that serve no instance."""

OPERATOR_AGENT = "cloud-sql-proxy-operator"
"""What containers of Google's operator say of themselves to Google; names that begin like theirs are anybody's."""

_GRAMMARS: Mapping[ProxyKind, Grammar] = MappingProxyType(
    {ProxyKind.V1: flags.V1, ProxyKind.V2: flags.V2, ProxyKind.OPERATOR: flags.V2, ProxyKind.ALLOYDB: flags.ALLOYDB}
)
_PREFIXES: Mapping[ProxyKind, str] = MappingProxyType(
    {ProxyKind.V2: "CSQL_PROXY_", ProxyKind.OPERATOR: "CSQL_PROXY_", ProxyKind.ALLOYDB: "ALLOYDB_PROXY_"}
)
_IN_ENVIRONMENT: Mapping[ProxyKind, str] = MappingProxyType(
    {ProxyKind.V2: "CSQL_PROXY_INSTANCE_CONNECTION_NAME", ProxyKind.ALLOYDB: "ALLOYDB_PROXY_INSTANCE_URI"}
)
_INSTANCE_NAMES = tuple(_IN_ENVIRONMENT.values())
_V1_INSTANCES = "INSTANCES"
_HINTS = ("proxy", "instances", ":", "$")
"""One of them is in the words of every container that starts a proxy by its words."""

_SPOKEN_OF = "INSTANCE_CONNECTION_NAME"
"""A name in many examples, for scripts that start a proxy, and for applications that need none."""


@dataclass(frozen=True, slots=True)
class _Command:
    """A program as it would be run: `program` is its name, or the image's where the container names none.

    `starter` is the program that runs it, when that is one that nobody knows.
    """

    program: str
    arguments: Sequence[str]
    named: bool
    environment: Environment
    starter: str = ""


def other_proxies(pod: Pod, ours: str) -> tuple[OtherProxy, ...]:
    """Proxies in the pod other than the container named `ours`.

    One that only its environment speaks for counts where no other is: containers may share their variables.
    """
    found = [(c, proxy) for c in pod.containers if c.name != ours for proxy in recognised(c)]
    certain = tuple(proxy for c, proxy in found if not _only_by_environment(c, proxy))
    return certain or tuple(proxy for _, proxy in found)


def recognised(container: Container) -> tuple[OtherProxy, ...]:
    """The proxies that the container runs: none, one, or those that a shell line starts."""
    return kept(container, _recognised)


def _recognised(container: Container) -> tuple[OtherProxy, ...]:
    if not _worth_a_look(container):
        return ()
    variables = Variables(container)
    words = tuple(variables.expanded(word) for word in container.words)
    commands = _commands(container, words, variables.values)
    found = (_proxy(kind, each, container) for each in commands if (kind := _kind(each)) is not None)
    return tuple(proxy for proxy in found if proxy is not None)


def works(container: Container) -> bool:
    """Whether the container's line starts a program that is no proxy: the application, in one container with it."""
    return kept(container, _works)


def _works(container: Container) -> bool:
    if not container.words:
        return False
    script = shell.script_of(shell.run_by(container.words))
    if script is None:
        return False
    found = (_shown(*each) for each in shell.commands(script, Variables(container).values))
    return any(_kind(each) is None and each.program not in shell.SMALL for each in found)


def is_v1_image(image: str) -> bool:
    """Whether the image is the Cloud SQL proxy v1, whatever mirror it comes from."""
    return PROGRAMS.get(_program(split_image(image).repository)) is ProxyKind.V1


def _worth_a_look(container: Container) -> bool:
    """Whether anything hints at a proxy: most containers are looked at no further."""
    if _program(split_image(container.image).repository) in PROGRAMS:
        return True
    if container.words:
        line = " ".join(container.words).lower()
        if any(hint in line for hint in _HINTS):
            return True
    names = "\n".join(container.env)
    return _V1_INSTANCES in container.env or any(name in names for name in _INSTANCE_NAMES)


def _commands(container: Container, words: tuple[str, ...], environment: Environment) -> Iterator[_Command]:
    run = shell.run_by(words) if container.entrypoint or not words[:1] or not words[0].startswith("-") else ()
    run = run or (words if container.entrypoint else ())
    script = shell.script_of(run)
    if script is not None:
        for found, variables in shell.commands(script, environment):
            if any("proxy" in word or ":" in word for word in found):
                yield _shown(found, variables)
        return
    image = _program(split_image(container.image).repository)
    shown = _shown(run, environment) if run else None
    if shown is not None and image in PROGRAMS and shown.program not in PROGRAMS:
        shown = replace(shown, program=image, starter=run[0])
    if shown is not None and (container.entrypoint or _program(_started(run)[0]) in PROGRAMS):
        yield shown
    else:
        yield _Command(image, words, False, environment)


def _shown(words: Sequence[str], environment: Environment) -> _Command:
    started = _started(words)
    starter = "" if len(started) == len(words) else words[0]
    return _Command(_program(started[0]), started[1:], True, environment, starter)


def _started(words: Sequence[str]) -> Sequence[str]:
    """The words from the proxy on, where a program that nobody knows starts one for an instance; else all of them."""
    if not words or _program(words[0]) in PROGRAMS or _program(words[0]) in TALKERS:
        return words
    proxies = (index for index, word in enumerate(words) if _program(word) in PROGRAMS)
    found = next((index for index in proxies if _kind_of(words[index + 1 :], certain=True) is not None), 0)
    return words[found:]


def _program(path: str) -> str:
    return shell.basename(path).partition(".")[0].lower()


def _kind(command: _Command) -> ProxyKind | None:
    named = PROGRAMS.get(command.program)
    said = _kind_of(command.arguments, certain=not command.named)
    if named is not None:
        return said or named
    return said or (None if command.named else _kind_by_environment(command.environment))


def _kind_of(arguments: Sequence[str], *, certain: bool) -> ProxyKind | None:
    """Whose arguments these are. Without a flag of v2, an instance alone is not enough unless `certain`."""
    if _has_v1_instances(arguments):
        return ProxyKind.V1
    for kind, is_name in ((ProxyKind.V2, _is_connection), (ProxyKind.ALLOYDB, _is_uri)):
        said = flags.read(arguments, _GRAMMARS[kind])
        names = [operand.partition("?")[0] for operand in said.operands]
        speaks_for_itself = flags.OF_A_PROXY & said.flags.keys() if said.unknown else said.flags or certain
        if names and all(map(is_name, names)) and speaks_for_itself:
            return kind
    return None


def _has_v1_instances(arguments: Sequence[str]) -> bool:
    spoken_of = any("instances" in word for word in arguments)
    return spoken_of and ":" in (flags.read(arguments, flags.V1).flags.get("instances") or "")


def _kind_by_environment(environment: Environment) -> ProxyKind | None:
    for kind, name in _IN_ENVIRONMENT.items():
        if name in environment or f"{name}_0" in environment:
            return kind
    return ProxyKind.V1 if "=tcp:" in (environment.get(_V1_INSTANCES) or "") else None


def _only_by_environment(container: Container, proxy: OtherProxy) -> bool:
    image = _program(split_image(container.image).repository)
    return image not in PROGRAMS and not proxy.invocation.operands and "instances" not in proxy.invocation.flags


def _is_connection(name: str) -> bool:
    return not CONNECTION_NAME.problem(name)


def _is_uri(name: str) -> bool:
    return name.startswith("projects/") and "/clusters/" in name and "/instances/" in name


def _proxy(kind: ProxyKind, command: _Command, container: Container) -> OtherProxy | None:
    said = flags.read(command.arguments, _GRAMMARS[kind])
    if said.switched("version", "help") or NOT_SERVING & set(said.operands[:1]):
        return None
    prefix = _PREFIXES.get(kind, "")
    invocation = _with_environment(said, _GRAMMARS[kind], prefix, command.environment) if prefix else said
    if kind is ProxyKind.V2 and OPERATOR_AGENT in (invocation.flags.get("user-agent") or ""):
        kind = ProxyKind.OPERATOR
    dialled = _dialled_v1(said, command.environment) if kind is ProxyKind.V1 else _dialled(kind, said, command)
    return OtherProxy(kind, container, invocation, tuple(dialled), command.starter)


def _with_environment(said: Invocation, grammar: Grammar, prefix: str, environment: Environment) -> Invocation:
    """The same with flags that the environment sets; those on the command line win."""
    from_environment = {
        flag: value
        for name, value in environment.items()
        if name.startswith(prefix)
        and value != ""
        and (flag := name.removeprefix(prefix).lower().replace("_", "-")) in grammar.valued | grammar.switches
    }
    return Invocation({**from_environment, **said.flags}, said.operands, said.unknown)


def _dialled(kind: ProxyKind, said: Invocation, command: _Command) -> Iterator[Dialled]:
    operands = said.operands or tuple(_listed(_IN_ENVIRONMENT.get(kind, _IN_ENVIRONMENT[ProxyKind.V2]), command))
    for operand in operands:
        name, _, query = operand.partition("?")
        options = (option.partition("=") for option in query.split("&") if option)
        yield Dialled(name, tuple((key, value) for key, _, value in options))


def _listed(name: str, command: _Command) -> Iterator[str]:
    """Instances that the environment names: one without a number or with 0, then 1, 2 and on until one is missing."""
    environment = command.environment
    first = next((each for each in (name, f"{name}_0", _SPOKEN_OF) if each in environment), None)
    if first is None:
        return
    yield environment[first] or "$"
    number = 1
    while (numbered := f"{name}_{number}") in environment:
        yield environment[numbered] or "$"
        number += 1


def _dialled_v1(said: Invocation, environment: Environment) -> Iterator[Dialled]:
    listed = said.flags.get("instances") or environment.get(_V1_INSTANCES, "")
    for word in (listed if listed is not None else "$").split(","):
        name, _, address = word.strip().partition("=")
        if name:
            yield Dialled(name, tuple(_v1_options(address)))


def _v1_options(address: str) -> Iterator[tuple[str, str]]:
    """From `tcp:5432`, `tcp:0.0.0.0:5432` or `unix:/path`.

    Source: Cloud SQL proxy 1.33, parseInstanceConfig
    """
    network, _, rest = address.partition(":")
    if network.rstrip("46") == "tcp":
        host, _, port = rest.rpartition(":")
        yield "tcp", port
        if host:
            yield "address", host
    elif network:
        yield network, rest
