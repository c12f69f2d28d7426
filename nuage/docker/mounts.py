"""Whether Docker's socket, as it is mounted into a container, is that of a Docker that is gone.

A container that has the socket mounted, not its folder, keeps this socket for good. A dockerd that makes its socket
itself removes the old one when it starts. With live-restore, containers run on meanwhile, and nobody answers them any
more.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

#: What the kernel tells of the mounts that a process sees: proc(5), /proc/pid/mountinfo.
MOUNTS = Path("/proc/self/mountinfo")
#: What it puts behind the name of a file that was mounted, and is gone.
_GONE = "//deleted"


def read(path: Path) -> str:
    """Return what the kernel tells, nothing where it tells nothing. The name of a folder may be any bytes."""
    with suppress(OSError):
        return os.fsdecode(path.read_bytes())
    return ""


def is_removed(path: Path, mounts: str) -> bool:
    """Tell whether what is mounted at a path was removed where it came from.

    Args:
        path: The path, as this process sees it.
        mounts: What :data:`MOUNTS` says.
    """
    # Other white space than these two is a part of a name.
    mounted = (line.split(" ") for line in mounts.split("\n"))
    found = [words for words in mounted if len(words) > 4 and _plain(words[4]) == str(path)]
    # The last one hides those before it.
    return bool(found) and found[-1][3].endswith(_GONE)


def _plain(text: str) -> str:
    """Return a path in which the kernel has written spaces and the like as numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
