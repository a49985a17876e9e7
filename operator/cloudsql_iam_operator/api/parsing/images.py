"""Image references, taken apart at their separators. Which images are allowed is decided elsewhere."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

_LONGEST = 512
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
_STEP = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Image:
    """The parts of an image reference; `tag` and `digest` are "" when it names none.

    `name` is the last step of the repository, and `software` what that says up to its first number: `postgresql` for
    `postgresql-15-c9s`.
    """

    repository: str
    tag: str
    digest: str
    name: str = field(default="", compare=False)
    software: str = field(default="", compare=False)


def split_image(text: str) -> Image:
    """The parts of any text as if it were an image reference."""
    return _remembered(text) if len(text) <= _LONGEST else _split(text)


def _split(text: str) -> Image:
    named, _, digest = text.partition("@")
    path, slash, last = named.rpartition("/")
    last, _, tag = last.partition(":")
    return Image(f"{path}{slash}{last}", tag, digest, last, _software(last))


def _software(name: str) -> str:
    words = name.split("-")
    end = next((at for at, word in enumerate(words) if word[:1].isdecimal()), len(words))
    return "-".join(words[:end]).rstrip("0123456789")


# pods of one workload have the same images
_remembered = lru_cache(maxsize=512)(_split)


def is_image(text: str) -> bool:
    """Whether the text is an image reference, such as `registry/name:tag` or `name@sha256:…`.

    Source: distribution/reference, reference.go
    """
    if len(text) > _LONGEST:
        return False
    named, at, digest = text.partition("@")
    image = split_image(text)
    colon = len(image.repository) < len(named)
    return (
        _is_repository(image.repository)
        and (not colon or _TAG.fullmatch(image.tag) is not None)
        and (not at or _DIGEST.fullmatch(digest) is not None)
    )


def _is_repository(text: str) -> bool:
    """Whether it is a path of names, before which there may be a host."""
    first, slash, rest = text.partition("/")
    steps = rest.split("/") if slash and _HOST.fullmatch(first) else text.split("/")
    return all(_STEP.fullmatch(step) for step in steps)
