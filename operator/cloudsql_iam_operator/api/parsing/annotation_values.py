"""Values of pod annotations: ports, container lists, images, quantities. Which annotations there are is elsewhere."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.api.parsing.images import is_image
from cloudsql_iam_operator.api.parsing.texts import LABEL_NAME, shown


@dataclass(frozen=True, slots=True)
class Containers:
    """Which containers of the pod reach the database: `names`, or all when `every`, but for `excluded`.

    All means all but the injected one and known mesh sidecars. Whether the names exist in the pod is not known here.
    """

    every: bool
    names: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resources:
    """Kubernetes quantities as written; "" when not said. A limit of zero (`is_zero`) means no limit."""

    cpu_request: str = ""
    memory_request: str = ""
    cpu_limit: str = ""
    memory_limit: str = ""


_SUFFIXES: Mapping[str, Decimal] = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{suffix: Decimal(1000) ** (power + 1) for power, suffix in enumerate("kMGTPE")},
    **{f"{suffix}i": Decimal(1024) ** (power + 1) for power, suffix in enumerate("KMGTPE")},
}
_PORT = re.compile("[0-9]{1,5}")
_QUANTITY = re.compile(
    r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:[eE]([+-]?[0-9]{1,2})|([numkMGTPE]|[KMGTPE]i)?)"
)


def port_number(annotation: str, value: str) -> int:
    """A TCP port; blanks around it are let pass."""
    digits = value.strip()
    if _PORT.fullmatch(digits) is None or not 1 <= int(digits) <= 65535:
        raise InvalidObject(annotation, f"is {shown(value)}; write a port from 1 to 65535")
    return int(digits)


def containers_named(annotation: str, value: str) -> Containers:
    """The containers that a list such as `web,worker`, `*` or `*,!metrics` names; `!metrics` alone means all others."""
    words = [word.strip() for word in value.split(",")]
    excluded = tuple(word[1:] for word in words if word.startswith("!"))
    names = tuple(word for word in words if word != "*" and not word.startswith("!"))
    wrong = next((name for name in (*names, *excluded) if LABEL_NAME.problem(name)), None)
    if wrong is not None:
        allowed = "list container names with commas, `*` for all, `!name` to leave one out"
        raise InvalidObject(annotation, f"is {shown(value)}; {shown(wrong)} is no container name: {allowed}")
    if names and ("*" in words or excluded):
        raise InvalidObject(annotation, f"is {shown(value)}; `*` and `!name` do not go with names of containers")
    return Containers(every=not names, names=names, excluded=excluded)


def image_named(annotation: str, value: str) -> str:
    """An image reference; blanks around it are let pass."""
    image = value.strip()
    if not is_image(image):
        raise InvalidObject(annotation, f"is {shown(value)}; write an image such as registry/name:tag or name@sha256:…")
    return image


def quantity(text: str) -> Decimal | None:
    """The number that a Kubernetes quantity (`64Mi`, `50m`, `1e3`) stands for; None for anything else."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    return Decimal(number) * (_SUFFIXES[suffix or ""] if exponent is None else Decimal(10) ** int(exponent))


def is_zero(text: str) -> bool:
    """Whether the quantity is zero, which for a limit means none."""
    return quantity(text) == 0


def resources_of(values: Mapping[str, str], names: tuple[str, str, str, str]) -> Resources:
    """Requests and limits; `names` are the annotations for CPU and memory requests, then CPU and memory limits."""
    cpu_request, memory_request, cpu_limit, memory_limit = (_quantity(values, name) for name in names)
    for request, limit, annotation in ((cpu_request, cpu_limit, names[0]), (memory_request, memory_limit, names[1])):
        if exceeds(request, limit):
            raise InvalidObject(annotation, f"is {shown(request)}, more than the limit {shown(limit)}")
    return Resources(cpu_request, memory_request, cpu_limit, memory_limit)


def exceeds(request: str, limit: str) -> bool:
    """Whether a request is above a limit, both quantities; a limit that is "" or zero is none."""
    wanted, most = quantity(request), quantity(limit)
    return wanted is not None and most is not None and most != 0 and wanted > most


def _quantity(values: Mapping[str, str], annotation: str) -> str:
    if annotation not in values:
        return ""
    text = values[annotation].strip()
    if quantity(text) is None:
        raise InvalidObject(annotation, f"is {shown(text)}; write a quantity such as 50m, 0.5, 64Mi or 1G")
    return text
