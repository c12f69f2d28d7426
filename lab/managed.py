"""The managed plugin, which Docker runs by itself, in the place of the plugin that a host of the lab begins with."""

from __future__ import annotations

from pathlib import Path

from lab.host import Host
from lab.shell import run

#: As Docker names it where no tag is given.
NAME = "nuage:latest"
_BUILD = Path(__file__).parent.parent / "packaging" / "plugin" / "build"


def build(folder: Path) -> None:
    """Build the plugin into a folder, as its users do. What the folder has of an earlier build is replaced."""
    run(_BUILD, folder, timeout=600)


def install(host: Host, plugin: Path, *settings: str) -> None:
    """Have a host that runs use the managed plugin.

    Args:
        host: The host. Its own plugin is ended.
        plugin: The folder that the plugin was built into.
        settings: Settings, besides those that :func:`adapt` makes.
    """
    host.plugin.stop()
    host.docker("plugin", "create", NAME, str(plugin), timeout=120)
    adapt(host, *settings)
    host.docker("plugin", "enable", NAME)


def adapt(host: Host, *settings: str) -> None:
    """Set the plugin, which has to be disabled, to where the host's Docker listens, and to what else is given."""
    host.docker("plugin", "set", NAME, f"docker.source={host.dockerd.socket}", *settings)
