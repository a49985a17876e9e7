"""Takes out of an installation what the operator never opens: `trim_image.py SITE_PACKAGES`. For the image's build.

Two libraries bring much more than is used: google-api-python-client the descriptions of every Google API, of which
three are read, and kubernetes a second client for asyncio.
"""

import shutil
import sys
from pathlib import Path

DOCUMENTS = ("cloudresourcemanager.v3.json", "iam.v1.json", "sqladmin.v1.json")
UNUSED = ("kubernetes/aio", "pip", "pip-*.dist-info", "setuptools", "setuptools-*.dist-info", "pkg_resources")


def trim(site_packages: Path) -> None:
    """Remove what is not used.

    Raises:
        FileNotFoundError: the descriptions of Google's APIs are not where they were, or one that is used is not there.
    """
    documents = site_packages / "googleapiclient/discovery_cache/documents"
    for name in DOCUMENTS:
        (documents / name).stat()
    for document in documents.glob("*.json"):
        if document.name not in DOCUMENTS:
            document.unlink()
    for pattern in UNUSED:
        for unused in site_packages.glob(pattern):
            shutil.rmtree(unused)


def size(directory: Path) -> int:
    """Bytes of all files below."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


if __name__ == "__main__":
    place = Path(sys.argv[1])
    before = size(place)
    trim(place)
    print(f"{place}: {before >> 20} MiB before, {size(place) >> 20} MiB after")
