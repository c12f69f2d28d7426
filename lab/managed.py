"""The managed plugin, which Docker runs itself, instead of the plugin that a host of the lab starts with."""

from __future__ import annotations

from pathlib import Path

from lab.host import Host
from lab.shell import run

#: What Docker calls it if no tag is given.
NAME = "nuage:latest"
_BUILD = Path(__file__).parent.parent / "packaging" / "plugin" / "build"


def build(folder: Path) -> None:
    """Build the plugin into a folder, as its users do. This replaces an earlier build there."""
    run(_BUILD, folder, timeout=600)


def install(host: Host, plugin: Path, *settings: str) -> None:
    """Let a running host use the managed plugin.

    Args:
        host: The host. Its own plugin is stopped.
        plugin: The folder that the plugin was built into.
        settings: Settings, in addition to those that :func:`adapt` makes.
    """
    create(host, plugin)
    enable(host, *settings)


def create(host: Host, plugin: Path) -> None:
    """Replace the running host's own plugin by the managed one, without enabling it; see :func:`install`."""
    host.plugin.stop()
    host.docker("plugin", "create", NAME, str(plugin), timeout=120)


def enable(host: Host, *settings: str) -> None:
    """Enable the plugin with these settings; see :func:`install`."""
    adapt(host, *settings)
    host.docker("plugin", "enable", NAME)


def adapt(host: Host, *settings: str) -> None:
    """Tell the plugin, which has to be disabled, where the host's Docker listens, and make other settings."""
    host.docker("plugin", "set", NAME, f"docker-folder.source={host.dockerd.socket.parent}", *settings)
