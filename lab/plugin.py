"""The plugin's daemon on a host."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import yaml

from lab.activation import Activation
from lab.namespace import Namespace
from lab.shell import Process, run, wait_until
from lab.switch import DATABASE

TWISTD = Path(sys.executable).parent / "twistd"
COMMAND = Path(sys.executable).parent / "nuage-plugin"
#: Its path inside the host.
SOCKET = Path("/run/docker/plugins/nuage.sock")
CONTROL = Path("/run/nuage/control.sock")


class Plugin:
    """``twistd nuage-plugin`` with a configuration for this host."""

    def __init__(self, namespace: Namespace, folder: Path, docker_socket: Path) -> None:
        self._namespace = namespace
        self._docker_socket = docker_socket
        self.config = folder / "nuage.yaml"
        self.process = Process("nuage-plugin", folder)

    @property
    def socket(self) -> Path:
        """The path of the plugin's socket outside the host."""
        inside = yaml.safe_load(self.config.read_text()).get("plugin_socket", str(SOCKET))
        return self._namespace.outside(Path(inside))

    @property
    def control_socket(self) -> Path:
        """The path of the control socket outside the host."""
        return self._namespace.outside(CONTROL)

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the operator's command on the host, such as ``status``."""
        return run(*self._namespace.inside(COMMAND, "--config", self.config, *words), check=False)

    def configure(self, **changes: object) -> None:
        """Write the configuration: the default one, except for where things are. ``changes`` replace keys."""
        keys: dict[str, object] = {
            "VrsEndpoint": DATABASE,
            "DockerEndpoint": f"unix://{self._docker_socket}",
            "Scope": "local",
        }
        self.config.write_text(yaml.safe_dump({**keys, **changes}))
        # It may have a password.
        self.config.chmod(0o600)

    def start(self, activation: Activation | None = None) -> None:
        """Start the daemon, without waiting until it listens; ``activation``, if given, passes the socket."""
        command: tuple[object, ...] = (TWISTD, "-n", "--pidfile=", "nuage-plugin", "--config", self.config)
        if activation is None:
            self.process.start(*self._namespace.inside(*command))
        else:
            words = self._namespace.inside(*activation.wrapper, *command)
            self.process.start(*words, descriptors=activation.descriptors)

    def wait(self, timeout: float = 20) -> None:
        """Wait until it listens."""
        wait_until("the plugin listens", self.socket.exists, timeout)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the daemon."""
        self.process.stop(number)
