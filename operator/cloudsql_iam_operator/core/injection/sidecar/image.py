"""Which proxy image a pod gets, and which it may ask for."""

import re

from cloudsql_iam_operator.api.injection.sidecar import IMAGE
from cloudsql_iam_operator.api.parsing.images import split_image
from cloudsql_iam_operator.core.injection.neighbours import is_v1_image
from cloudsql_iam_operator.core.injection.outcome import Code, Refusal
from cloudsql_iam_operator.core.injection.settings import InjectionSettings

OLDEST = (2, 8, 0)
"""The first proxy with the `wait` command, which the startup probe runs."""

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-.*)?")


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
    version = _VERSION.fullmatch(image.tag)
    if version is not None and tuple(map(int, version.groups())) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise Refusal(Code.IMAGE, f"{IMAGE} is {requested}; the proxy must be {oldest} or newer")
    return requested


def _matches(repository: str, allowed: str) -> bool:
    return repository.startswith(allowed) if allowed.endswith("/") else repository == allowed
