"""Runs a command with Google's names in its hosts file and a trust store of ours: `python -m clients.rooted SPEC.json`.

The command sees this machine's files and a /tmp of its own, in a mount namespace of its own. Standard library only.
"""

import ctypes
import json
import os
import sys
from pathlib import Path

from controlplane.kubelet.mounts import Etc, Mount, enter

_NEW_MOUNTS = 0x00020000


def main(path: str) -> int:
    """The command takes this process over.

    Raises:
        OSError: this process lacks the rights; it is not in a sandbox.
    """
    spec = json.loads(Path(path).read_text())
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS):
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")
    enter(Path(spec["root"]), Etc(**spec["etc"]), [Mount(place, place, True) for place in spec["seen"]])
    os.environ.update(spec["environment"])
    os.execvp(spec["command"][0], spec["command"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
