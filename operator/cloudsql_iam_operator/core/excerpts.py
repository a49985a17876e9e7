"""What may be shown of a text that somebody else wrote: short, visible, steady, and no secret."""

import re

SHOWN = 200
"""Characters shown of an answer that is not understood."""

_LOOKED_AT = 4000
"""Characters looked at; what follows is never shown."""

_CUT = "…"
_IDS = re.compile(
    r"(?:(?:request|trace|correlation|incident)[ _-]?id|UniqueIdentifier|etag)"
    r"[\"']?[:=]? ?[\"']?[^ \"',;)]{1,200}[\"']?",
    re.IGNORECASE,
)
_SECRETS = re.compile(
    r"(?:access_token|id_token|refresh_token|subject_token|assertion|client_secret|private_key|password|authorization)"
    r"[\"']?[:=] ?[\"']?(?:bearer )?[^ \"',;&}]+|bearer [^ \"',;]+|ya29\.[^ \"',;]+|eyJ[^ \"',;]+",
    re.IGNORECASE,
)
_TIMES = re.compile(r"\d{4}-\d\d-\d\d[T ][0-9:.]{5,30}(?:Z|[+-]\d\d:?\d\d)?")
_WORDS = re.compile(r"[A-Za-z0-9_-]{13,}")
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF-")


def excerpt(text: str, length: int = SHOWN) -> str:
    """The beginning of a text as it may stand in a condition, a log line or an Event.

    White space becomes one space and control characters are made visible. Times, request ids, etags and whatever looks
    drawn by lot are cut out: a status must not change with them, and a token looks the same.
    """
    seen = " ".join(text[:_LOOKED_AT].split())
    for pattern in (_SECRETS, _IDS, _TIMES):
        seen = pattern.sub(_CUT, seen)
    seen = _WORDS.sub(_kept, seen)
    seen = "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in seen)
    seen = " ".join(_CUT if _broken_link(word) else word for word in seen.split(" "))
    return seen if len(seen) <= length else _begun(seen, length)


def _broken_link(word: str) -> bool:
    """Whether an address has lost a part, and so leads nowhere."""
    return "://" in word and _CUT in word


def _begun(text: str, length: int) -> str:
    """The beginning, up to the last word that is whole; cut within the first one only."""
    whole, space, _ = text[: length + 1].rpartition(" ")
    return (whole if space else text[:length]) + _CUT


def _kept(found: re.Match[str]) -> str:
    word = found.group()
    return _CUT if _drawn(word) else word


def _drawn(word: str) -> bool:
    digits = any(each.isdigit() for each in word)
    if not digits:
        # letters alone make words of two cases too, but not as long as a token
        return len(word) >= 40 and word != word.lower() and word != word.upper()
    if word.isdigit():
        return True
    if len(word) >= 16 and _HEXADECIMAL.issuperset(word):
        return True
    return len(word) >= 16 and word != word.lower() and word != word.upper()
