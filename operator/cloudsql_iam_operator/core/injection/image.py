"""Which proxy image a pod gets, and which it may ask for."""

import re

from cloudsql_iam_operator.api.annotations import IMAGE
from cloudsql_iam_operator.api.parsing.annotation_values import image_named
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.core.injection.neighbours import is_v1_image, repository_and_tag
from cloudsql_iam_operator.core.injection.outcome import Code, Refusal
from cloudsql_iam_operator.core.injection.settings import InjectionSettings

OLDEST = (2, 8, 0)
"""The first proxy with the `wait` command, which the startup probe runs."""

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-.*)?")


def is_image(text: str) -> bool:
    """Whether the text is an image reference."""
    try:
        return bool(image_named(IMAGE, text))
    except InvalidObject:
        return False


def image_for(requested: str, settings: InjectionSettings) -> str:
    """The requested image, or the administrator's when "".

    Raises:
        Refusal: the requested image is not allowed, or too old. An image without a version is taken to be new enough.
    """
    if not requested or requested == settings.image:
        return settings.image
    if is_v1_image(requested):
        raise Refusal(Code.IMAGE, f"{IMAGE} is {requested}, the proxy v1: use {settings.image}")
    repository, tag = repository_and_tag(requested)
    if not any(_matches(repository, allowed) for allowed in settings.allowed_images):
        allowed = ", ".join(settings.allowed_images)
        raise Refusal(Code.IMAGE, f"{IMAGE} is {requested}; the administrator allows only images of {allowed}")
    version = _VERSION.fullmatch(tag)
    if version is not None and tuple(map(int, version.groups())) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise Refusal(Code.IMAGE, f"{IMAGE} is {requested}; the proxy must be {oldest} or newer")
    return requested


def _matches(repository: str, allowed: str) -> bool:
    return repository.startswith(allowed) if allowed.endswith("/") else repository == allowed
