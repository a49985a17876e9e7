"""Commands in a shell line, as far as is needed to find a proxy that one of them starts. Nothing is executed."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cloudsql_iam_operator.core.injection.neighbours import flags
from cloudsql_iam_operator.core.injection.neighbours.variables import BUDGET, Environment

SHELLS = frozenset({"sh", "bash", "ash", "dash", "ksh", "zsh"})
USER_SHELLS = frozenset({"su", "runuser"})
"""Programs that hand a line to the shell of a user, whose name may come before or after it."""

WRAPPERS = frozenset(
    {"!", "{", "busybox", "catatonit", "command", "do", "docker-entrypoint.sh", "dumb-init", "else", "entrypoint.sh"}
    | {"env", "exec", "export", "if", "ionice", "nice", "nohup", "setpriv", "setsid", "sudo", "stdbuf", "then", "time"}
    | {"timeout", "tini", "until", "while", "xargs"}
)
"""Words before the command that is run."""

SMALL = {""} | flags.words(
    ". : [ [[ break case cat cd chmod continue cp curl date done echo esac exit false fi for inotifywait "
    "kill ln logger ls mkdir mv nc pgrep pkill printf ps read rm sed set shift sleep source tail tee test "
    "touch trap true ulimit umask unset wait wget which }"
)
"""Programs that serve whoever starts others, and work for nobody themselves."""

WITH_OPERAND = frozenset({"chpst", "gosu", "s6-setuidgid", "setuidgid", "su-exec"})
"""Words before the command, and before those a user."""

_WITH_VALUE = frozenset({"-a", "-g", "-k", "-s", "-u", "-I", "-P"})
"""Options of such words whose value stands on its own and is no number."""

DEEPEST = 3
"""Lines in lines that are read."""

LONGEST_LINE = 65536
"""Characters of a line that are read: more than people write into a manifest."""

_PIECE = re.compile(
    r"""'(?P<single>[^']*)'?|"(?P<double>(?:[^"\\]|\\.)*)"?|\\(?P<escaped>.)|(?P<end>[;&|()`\n])"""
    r"""|(?P<blank>[^\S\n]+)|(?P<redirect>[<>]+(?:&(?:[0-9]+|-)?)?)|(?P<plain>[^\s'"\\;&|()<>`]+)""",
    re.DOTALL,
)
_LOOKED_UP = re.compile(r"(?:\$\(|`)[ \t]*(?:which|command[ \t]+-v)[ \t]+([A-Za-z0-9_./-]+)[ \t]*[)`]")
"""A program that the line looks up before it runs it."""

_REFERENCE = re.compile(r"\$(?:\{(\w+|@)(?::?[-=]([^{}]*))?\}|([A-Za-z_]\w*|[0-9@*]))", re.ASCII)

_SEAM = "\0"
"""Between words of one text: no manifest has it."""


class Script(NamedTuple):
    """A line for a shell, and the words after it: what `$0`, `$1` and `$@` stand for."""

    line: str
    words: tuple[str, ...] = ()


class _Piece(NamedTuple):
    """A part of a word. `literal`: variables are not put in; `whole`: what is put in is not taken apart."""

    text: str
    literal: bool
    whole: bool


def script_of(words: Sequence[str]) -> Script | None:
    """The shell line that the words run, None when they run none: `sh -c LINE`, with options of any kind."""
    program = basename(words[0]) if words else ""
    if program == "eval" or " " in program:
        return Script(" ".join(words[program == "eval" :]))
    if program not in SHELLS | USER_SHELLS:
        return None
    for index, word in enumerate(words[1:], start=1):
        if word.startswith("-") and not word.startswith("--") and "c" in word:
            after = next((at for at in range(index + 1, len(words)) if not words[at].startswith("-")), len(words))
            return Script("".join(words[after : after + 1]), tuple(words[after + 1 :]))
        if program in SHELLS and not word.startswith("-") and not word.isalpha():
            return None
    return None


def commands(
    script: Script, environment: Environment, deepest: int = DEEPEST
) -> Iterator[tuple[tuple[str, ...], Environment]]:
    """Each command of the line: its program and arguments, with variables put in where they can be seen, and these.

    Lines that it hands to other shells count as its own.
    """
    state = _Variables(environment, script.words)
    for raw in _split(_LOOKED_UP.sub(r"\1", script.line[:LONGEST_LINE])):
        words = [word for pieces in raw for word in state.expanded(pieces)]
        state.remember(words)
        found = run_by(words)
        inner = script_of(found) if deepest > 1 else None
        if inner is not None:
            yield from commands(inner, state.values, deepest - 1)
        elif found:
            yield found, state.values


def does_more(words: Sequence[str]) -> bool:
    """Whether the words run a line of several commands."""
    script = script_of(run_by(words))
    return script is not None and len(tuple(commands(script, {}))) > 1


def run_by(words: Sequence[str]) -> tuple[str, ...]:
    """The program that is run and its arguments, without wrappers such as `exec`, `timeout 30` or `A=b`."""
    rest = iter(enumerate(words))
    for index, word in rest:
        program = basename(word)
        if word in _WITH_VALUE or program in WITH_OPERAND:
            next(rest, None)
        elif program == "command" and next(iter(words[index + 1 :]), "") in ("-v", "-V"):
            return ()  # it only asks where the program is
        elif program == "runuser" and script_of(words[index:]) is None:
            continue
        elif not (program in WRAPPERS or word.startswith("-") or _assigned(word) or _is_duration(word)):
            return tuple(words[index:])
    return ()


def basename(path: str) -> str:
    """The last step of a path."""
    return path.rpartition("/")[2]


def _assigned(word: str) -> str:
    """The variable that the word assigns; "" when it assigns none."""
    name, equals, _ = word.partition("=")
    return name if equals and name.isascii() and name.isidentifier() else ""


def _is_duration(word: str) -> bool:
    return word.isascii() and word.rstrip("smh").isdecimal()


def _split(script: str) -> Iterator[list[list[_Piece]]]:
    words: list[list[_Piece]] = []
    pieces: list[_Piece] = []
    comment = file = False
    for found in _PIECE.finditer(f"{script}\n"):
        ends, redirect, plain = found["end"], found["redirect"], found["plain"]
        comment = (comment or bool(plain and plain.startswith("#") and not pieces)) and ends != "\n"
        if comment or found["escaped"] == "\n":
            continue
        if ends is redirect is found["blank"] is None:
            pieces.append(_piece(found))
            continue
        if pieces:
            if not file and not (redirect and "".join(piece.text for piece in pieces).isdecimal()):
                words.append(pieces)
            pieces, file = [], False
        file = ends is None and (file or (redirect is not None and not redirect[-1:].isdecimal()))
        if ends is not None:
            yield words
            words = []


def _piece(found: re.Match[str]) -> _Piece:
    if found["plain"] is not None:
        return _Piece(found["plain"], literal=False, whole=False)
    if found["double"] is not None:
        return _Piece(found["double"].replace('\\"', '"'), literal=False, whole=True)
    return _Piece(found["single"] or found["escaped"] or "", literal=True, whole=True)


class _Variables:
    """What the variables say while the line is read, with a budget, as for those of the container."""

    def __init__(self, environment: Environment, words: Sequence[str]) -> None:
        self.values = dict(environment)
        self._left = BUDGET
        self._name(words[1:])
        if words:
            self.values["0"] = words[0]

    def expanded(self, pieces: Sequence[_Piece]) -> Iterator[str]:
        """The words that one becomes: a shell takes apart what it puts in outside of quotes."""
        text = "".join(map(self._expanded, pieces))
        quoted = any(piece.whole for piece in pieces)
        yield from (text,) if quoted and _SEAM not in text else filter(None, text.split(_SEAM))

    def remember(self, words: Sequence[str]) -> None:
        """Take note of what is assigned before the command, exported, set or gone through."""
        match words:
            case ["set", "--", *rest]:
                self._name(rest)
            case ["for", name, "in", *rest]:
                self.values[name] = _SEAM.join(rest)
        for word in words:
            name = _assigned(word)
            if name:
                self.values[name] = word[len(name) + 1 :]
            elif word not in WRAPPERS:
                return

    def _name(self, parameters: Sequence[str]) -> None:
        every = _SEAM.join(parameters)
        numbered = {str(number): word for number, word in enumerate(parameters[:9], start=1)}
        self.values |= numbered | {"@": every, "*": every} if parameters else {}

    def _expanded(self, piece: _Piece) -> str:
        if piece.literal or "$" not in piece.text:
            return piece.text
        text = _REFERENCE.sub(self._put, piece.text)
        return text if piece.whole else _SEAM.join(text.split())

    def _put(self, found: re.Match[str]) -> str:
        braced, default, plain = found.groups()
        name = braced or plain
        value = self.values.get(name)
        if value is None:
            return default if default is not None and name not in self.values else found.group()
        if len(value) > self._left:
            return found.group()
        self._left -= len(value)
        return value
