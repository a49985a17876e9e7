"""Ports that programs are told to listen on by their words: tunnels, forwarders, and whoever names an address."""

from collections.abc import Iterator, Sequence

from cloudsql_iam_operator.core.injection.neighbours import shell
from cloudsql_iam_operator.core.injection.neighbours.flags import port_number
from cloudsql_iam_operator.core.injection.neighbours.variables import Variables
from cloudsql_iam_operator.core.injection.pod import Container

_LISTENING = ("listen", "bind", "local-port", "local-host-port")
"""Parts of an option's name under which its value is where the program listens."""

_EVERYWHERE = (":", "0.0.0.0:", "[::]:")
"""How an address begins that nobody connects to, whatever its option is called."""

_FORWARDED = "-listen:"
"""Before the port in an address of socat."""

_PORT_FORWARD = "port-forward"

_HINTS = (*_LISTENING, _PORT_FORWARD, "LISTEN", "L", ":")
"""What at least one word has: most containers are looked at no further."""


def listening_ports(container: Container) -> frozenset[int]:
    """TCP ports that its command and arguments, or a shell line of them, say that it listens on."""
    if not container.words or not any(hint in word for word in container.words for hint in _HINTS):
        return frozenset()
    known = Variables(container)
    words = tuple(known.expanded(word) for word in container.words)
    script = shell.script_of(shell.run_by(words))
    lines = (words,) if script is None else (found for found, _ in shell.commands(script, known.values))
    told = (port_number(text) for line in lines for text in _ports(line))
    return frozenset(number for number in told if number is not None)


def _ports(words: Sequence[str]) -> Iterator[str]:
    """Texts that are ports where they are numbers."""
    forwards = False
    for before, word in zip(("", *words), words, strict=False):
        yield from _told(before, word)
        yield _local_forward(before, word)
        if forwards:
            yield word.partition(":")[0]
        forwards = forwards or word == _PORT_FORWARD


def _told(before: str, word: str) -> Iterator[str]:
    option, equals, value = word.partition("=")
    if not word.startswith("-"):
        option, value = ("" if "=" in before else before), word
        yield word.lower().partition(_FORWARDED)[2].partition(",")[0]
    elif not equals:
        return
    named = option.startswith("-") and any(part in option for part in _LISTENING)
    if named or (option.startswith("-") and value.startswith(_EVERYWHERE)):
        yield value.rpartition(":")[2]


def _local_forward(before: str, word: str) -> str:
    """From `-L [address:]port:host:port` of ssh, the option at the end of a cluster, or with its value in one word."""
    apart = before.startswith("-") and not before.startswith("--") and before.endswith("L")
    value = word if apart else word.removeprefix("-L") if word.startswith("-L") else ""
    return "".join(value.split(":")[-3:-2])
