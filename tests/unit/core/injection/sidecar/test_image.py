"""No text in the image annotation gets a pod another image than one of those that the administrator lets in."""

from dataclasses import replace

import pytest

from cloudsql_iam_operator.api.parsing.images import Image, is_image, split_image
from support.podshapes import SETTINGS, denied, injected, pod, proxy

DIGEST = "@sha256:" + "a" * 64
ALLOWED = replace(SETTINGS, allowed_images=("gcr.io/x/", "mirror.example/proxy"))


@pytest.mark.parametrize(
    "image",
    [
        "gcr.io/x/p:1",
        "gcr.io/x/deep/er/p:v2.9.0",
        f"gcr.io/x/p:3{DIGEST}",
        f"gcr.io/x/p{DIGEST}",
        "mirror.example/proxy:2.8.0",
    ],
)
def test_an_image_below_an_allowed_prefix_is_taken(image: str) -> None:
    assert proxy(injected(pod(annotations={"image": image}), settings=ALLOWED))["image"] == image


@pytest.mark.parametrize(
    "image",
    [
        "gcr.io/x/../y/evil:1",
        "gcr.io/x/./p:1",
        "gcr.io/x/..%2fy:1",
        "gcr.io/x/p@evil.io/z:1",
        f"gcr.io/x/p@evil.io/z{DIGEST}",
        "gcr.io/xevil:1",
        "gcr.io/x",
        "gcr.io/x/",
        "GCR.IO/x/p:1",
        "gcr.io/x//p:1",
        "gcr.io:443/x/p:1",
        "evil.io/gcr.io/x/p:1",
        "gcr.io/x/p:1:2",
        "gcr.io/x/p:",
        "gcr.io/x/p@",
        "gcr.io/x/p:1\nx",
        "gcr.io/x/p:1 --flag",
        "gcr.io/\u212a/p:1",
        "g\u0441r.io/x/p:1",  # a Cyrillic letter
        "gcr.io/x\uff0fp:1",  # a full-width slash
        "mirror.example/proxy/evil:2.8.0",
        "mirror.example/proxyevil:2.8.0",
        "gcr.io/x/" + "p" * 600,
    ],
)
def test_an_image_that_only_looks_as_if_it_were_below_one_is_refused(image: str) -> None:
    said = denied(pod(annotations={"image": image}), settings=ALLOWED)

    why = "; the administrator allows only images of gcr.io/x/" if is_image(image) else "image: is '"
    assert said.startswith("422 ")
    assert why in said


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", Image("a", "", "")),
        ("host:5000/a/b:tag", Image("host:5000/a/b", "tag", "")),
        (f"a:1{DIGEST}", Image("a", "1", DIGEST[1:])),
        ("", Image("", "", "")),
    ],
)
def test_a_reference_is_taken_apart_at_its_separators(text: str, parts: Image) -> None:
    assert split_image(text) == parts


@pytest.mark.parametrize(
    "forged",
    [
        '{"v":1}',
        '{"container":"cloudsql-proxy"}',
        '{"container":"cloudsql-proxy","instances":[{"name":"victim:eu:db","port":5432}],"user":"orders/checkout@3",'
        '"httpPort":9801,"adminPort":9091,"image":"evil.io/p:1","hash":"000000000000"}',
    ],
)
def test_a_forged_marker_gets_the_pod_nothing_that_it_would_not_get_anyway(forged: str) -> None:
    honest = injected(pod())

    body = injected(pod(annotations={"status": forged}))

    assert body["spec"] == honest["spec"]
    assert body["metadata"]["annotations"] == honest["metadata"]["annotations"]
