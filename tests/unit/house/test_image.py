"""What the image sets, and what it leaves out: everything of ours loads without that, and each API of Google's."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from e2e.image import variables

ROOT = Path(__file__).parents[3]
SPEC = importlib.util.spec_from_file_location("trim_image", ROOT / "tools" / "trim_image.py")
MOST_BYTES = 190 << 20

LOAD = """
import importlib, pkgutil, sys
sys.path += sys.argv[1:3]
import cloudsql_iam_operator
loaded = [importlib.import_module(one.name) for one in pkgutil.walk_packages(
    cloudsql_iam_operator.__path__, "cloudsql_iam_operator.") if not one.name.endswith("__main__")]
import google.cloud.sql.connector, httplib2
from googleapiclient import discovery
for service, version in (("sqladmin", "v1"), ("iam", "v1"), ("cloudresourcemanager", "v3")):
    discovery.build(service, version, http=httplib2.Http(), static_discovery=True, cache_discovery=False)
from kubernetes.client import CoordinationV1Api, V1Lease, V1LeaseSpec
print(len(loaded))
"""


def test_everything_loads_from_what_the_image_keeps(tmp_path: Path) -> None:
    assert SPEC is not None
    assert SPEC.loader is not None
    image = importlib.util.module_from_spec(SPEC)
    SPEC.loader.exec_module(image)
    install(tmp_path)

    image.trim(tmp_path)

    command = [sys.executable, "-I", "-S", "-c", LOAD, str(tmp_path), str(ROOT / "operator")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
    assert image.size(tmp_path) < MOST_BYTES


def test_the_image_sets_the_allocator_with_or_without_the_chart() -> None:
    of_libc = {name: value for name, value in variables().items() if name.startswith("MALLOC_")}

    assert of_libc == {
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": "131072",
        "MALLOC_TRIM_THRESHOLD_": "131072",
    }


def install(place: Path) -> None:
    """The locked requirements of run time, as they are in this environment."""
    for name in re.findall(r"^([a-z0-9_.-]+)==", (ROOT / "requirements/runtime.txt").read_text(), re.MULTILINE):
        try:
            files = importlib.metadata.distribution(name).files or []
        except importlib.metadata.PackageNotFoundError:  # for another platform
            continue
        for file in files:
            if ".." not in file.parts and file.suffix != ".pyc":
                target = place / file
                target.parent.mkdir(parents=True, exist_ok=True)
                link(Path(str(file.locate())), target)


def link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
