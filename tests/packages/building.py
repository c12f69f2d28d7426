"""Building a package, once for all tests."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path, PurePath

from tests.test_packaging import BUILDERS, pinned, versions
from tests.test_tap import PROJECT

#: Files that each package has, besides those in ``/opt/nuage-plugin``.
FILES = {
    "/etc/nuage/nuage.yaml",
    "/usr/bin/nuage-plugin",
    "/usr/lib/systemd/system/nuage-plugin.service",
    "/usr/lib/systemd/system/nuage-plugin.socket",
    "/usr/share/man/man5/nuage.yaml.5.gz",
    "/usr/share/man/man8/nuage-plugin.8.gz",
}
#: What has to be in the environment: all that the constraints name, and the plugin.
PACKAGES = {name: version for name, version in pinned().items() if name not in BUILDERS}


def start(*words: str) -> subprocess.CompletedProcess[str]:
    """Run one of the scripts in ``packaging``, named without it."""
    argv = [str(PROJECT / "packaging" / words[0]), *words[1:]]
    environ = {**os.environ, "PYTHON": sys.executable}
    return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=500, check=False)


@cache
def built(*words: str) -> Path:
    """Build a package, and return its file. It is the only one that the script makes, and the script says so."""
    folder = Path(tempfile.mkdtemp(prefix="nuage-packages"))
    atexit.register(shutil.rmtree, folder)
    done = start(*words, str(folder))
    assert done.returncode == 0, done.stderr
    (package,) = folder.iterdir()
    assert done.stdout == f"{package}\n", done.stdout
    return package


def outside(paths: set[str]) -> set[str]:
    """Return those of a package's files that are not in its environment."""
    return {path for path in paths if not path.startswith("/opt/nuage-plugin/")}


def brought(paths: set[str]) -> dict[str, str]:
    """Return the versions of the Python packages that come along, without that of the plugin."""
    folders = {parent.stem for path in paths for parent in PurePath(path).parents if parent.suffix == ".dist-info"}
    found = versions("\n".join(folder.replace("-", "==") for folder in folders))
    del found["nuage-plugin"]
    return found
