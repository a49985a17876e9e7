"""Which proxy image a pod gets, which it may ask for, and what the version of one can do."""

import re
from collections.abc import Iterable, Iterator

from cloudsql_iam_operator.api.injection.annotation import OLDEST, Version
from cloudsql_iam_operator.api.injection.sidecar import IMAGE
from cloudsql_iam_operator.api.parsing.images import split_image
from cloudsql_iam_operator.core.injection.neighbours.recognition import is_v1_image
from cloudsql_iam_operator.core.injection.outcome import Code, Refusal
from cloudsql_iam_operator.core.injection.settings import InjectionSettings

_VERSION = re.compile(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-.*)?", re.ASCII)

Need = tuple[str, Version]
"""A feature as messages call it, and the first proxy that has it."""


def image_for(requested: str, settings: InjectionSettings) -> str:
    """The requested image, or the administrator's when "".

    Raises:
        Refusal: the requested image is not allowed, or too old. An image without a version is taken to be new enough.
    """
    if not requested or requested == settings.image:
        return settings.image
    if is_v1_image(requested):
        raise Refusal(Code.IMAGE, f"{IMAGE} is {requested}, the proxy v1: use {settings.image}")
    image = split_image(requested)
    if not any(_matches(image.repository, allowed) for allowed in settings.allowed_images):
        allowed = ", ".join(settings.allowed_images)
        raise Refusal(Code.IMAGE, f"{IMAGE} is {requested}; the administrator allows only images of {allowed}")
    version = version_of(requested)
    if version is not None and version < OLDEST:
        raise Refusal(Code.IMAGE, f"{IMAGE} is {requested}; the proxy must be {written(OLDEST)} or newer")
    return requested


def version_of(image: str) -> Version | None:
    """The proxy's version, as the image's tag says; None when it says none."""
    found = _VERSION.fullmatch(split_image(image).tag)
    if found is None:
        return None
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def version_warnings(image: str, needs: Iterable[Need]) -> Iterator[str]:
    """What the image may lack, when its tag does not tell.

    Raises:
        Refusal: it lacks something, as its tag tells.
    """
    newer = [(feature, since) for feature, since in needs if since > OLDEST]
    if not newer:
        return
    version = version_of(image)
    if version is None:
        wanted = ", ".join(f"{feature} needs {written(since)}" for feature, since in newer)
        yield f"the version of {image} is not known, as its tag names none: {wanted} or newer"
        return
    lacking = next(((feature, since) for feature, since in newer if version < since), None)
    if lacking is not None:
        feature, since = lacking
        raise Refusal(
            Code.IMAGE, f"{feature} needs a proxy of {written(since)} or newer, and {image} is {written(version)}"
        )


def written(version: Version) -> str:
    """The version as people write it."""
    return ".".join(map(str, version))


def _matches(repository: str, allowed: str) -> bool:
    return repository.startswith(allowed) if allowed.endswith("/") else repository == allowed
