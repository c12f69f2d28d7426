"""Building the plugin's image without a registry, on a Docker daemon that has the machine's own network."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path

from lab.dockerd import Dockerd
from lab.shell import run
from tests.e2e.managed_support import PROJECT

TAG = "nuage-plugin"
_BASE = "debian:bookworm-slim"
#: Nothing of the machine's network is touched: a build has it as it is.
_ALONE = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")
#: What the machine's programs need to get at packages.
_SETTINGS = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/usr/local/share/ca-certificates"))
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class _Machine:
    """The machine's own root, with mounts of its own."""

    def inside(self, *words: object) -> tuple[object, ...]:
        """See lab.dockerd.Root."""
        return ("unshare", "--mount", "--propagation", "private", *words)


@cache
def plugin_image() -> Path:
    """Build the image from its Dockerfile; return the file that ``docker load`` takes, removed after the tests."""
    folder = Path(tempfile.mkdtemp(prefix="nuage-image"))
    atexit.register(shutil.rmtree, folder)
    name = f"image-{os.getpid()}"
    dockerd = Dockerd(_Machine(), name, folder, _ALONE)
    dockerd.start()
    try:
        dockerd.wait()
        dockerd.docker("import", str(_base(folder)), _BASE, timeout=120)
        proxies = [f"--build-arg={name}={os.environ[name]}" for name in _PROXIES if name in os.environ]
        recipe = f"--file={PROJECT / 'packaging' / 'docker' / 'Dockerfile'}"
        dockerd.docker("build", "--network=host", *proxies, f"--tag={TAG}", recipe, str(PROJECT), timeout=400)
        dockerd.docker("save", f"--output={folder / 'image.tar'}", TAG, timeout=120)
    finally:
        dockerd.stop()
        dockerd.remove_control_groups()
        shutil.rmtree(folder / "docker")
    return folder / "image.tar"


def _base(folder: Path) -> Path:
    """Return an archive that stands for Debian's image, with the machine's way to packages in it."""
    tree = folder / "base"
    made = run(PROJECT / "packaging" / "base", timeout=400).stdout.strip()
    run("cp", "-a", made, tree)
    for path in _SETTINGS:
        if path.exists():
            run("cp", "-rT", path, tree / path.relative_to("/"))
    index = run(sys.executable, "-m", "pip", "config", "get", "global.index-url", check=False).stdout.strip()
    if index:
        (tree / "etc" / "pip.conf").write_text(f"[global]\nindex-url = {index}\n")
    run("tar", "-C", tree, "-cf", folder / "base.tar", ".")
    shutil.rmtree(tree)
    return folder / "base.tar"
