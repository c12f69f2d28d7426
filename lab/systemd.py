"""A real systemd for one host: in its own namespaces, with only the plugin's units to run."""

from __future__ import annotations

import signal
from pathlib import Path

import yaml

from lab.namespace import Namespace
from lab.shell import Process, run, wait_until

PROGRAM = "/lib/systemd/systemd"
_ROOT = Path(__file__).parent.parent
_UNITS = _ROOT / "etc" / "systemd"
_INSTALLED = "/opt/nuage-plugin/bin/twistd"
_CONFIGURED = "/etc/nuage/nuage.yaml"
#: The path by which the units see the host's folder: their own /tmp is empty.
_SEEN = Path("/run/lab")

#: Systemd must not wait for units that are not there.
_NO_DEFAULTS = "[Unit]\nDefaultDependencies=no\n"
#: The checkout may be in a place that the unit cannot see.
_VISIBLE = f"{_NO_DEFAULTS}[Service]\nProtectHome=tmpfs\nBindReadOnlyPaths={_ROOT}\n"
_TARGET = f"{_NO_DEFAULTS}Wants=nuage-plugin.socket nuage-plugin.service\n"

# A current systemd wants version 2 of control groups, and a group of its own: it takes the first one it sees for the
# root of all.
_GROUP = """
mount -t cgroup2 none "$1/cgroup"
mkdir -p "$1/cgroup/$2"
echo $$ >"$1/cgroup/$2/cgroup.procs"
exec unshare --mount --cgroup --uts --ipc --pid --fork --kill-child --mount-proc sh -ec "$3" boot "$1"
"""
_BOOT = f"""
mount --bind "$1" /mnt
mount -t tmpfs tmpfs /run
mkdir -p /run/lab /run/docker /run/openvswitch /run/systemd/system
mount --bind /mnt /run/lab
mount --bind /mnt/run/docker /run/docker
mount --bind /mnt/run/openvswitch /run/openvswitch
cp -r /mnt/units/. /run/systemd/system
umount /mnt
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export container=lab
exec {PROGRAM} --system --unit=lab.target --log-target=console --show-status=no
"""
_REMOVE_GROUP = """
mount -t cgroup2 none "$1/cgroup"
find "$1/cgroup/$2" -depth -type d -exec rmdir {} ";"
test ! -e "$1/cgroup/$2"
"""


class Systemd:
    """The system's manager on a host.

    Args:
        namespace: The host's namespaces. It gets more within them.
        folder: The host's folder.
        configuration: The plugin's configuration file.
        twistd: The program that the unit starts.
    """

    def __init__(self, namespace: Namespace, folder: Path, configuration: Path, twistd: Path) -> None:
        self._namespace = namespace
        self._folder = folder
        self._configuration = configuration
        self._twistd = twistd
        self._group = f"{namespace.name}-systemd"
        self.process = Process("systemd", folder)

    def start(self) -> None:
        """Boot with both units, and wait until it answers."""
        self._write_configuration()
        self._write_units()
        (self._folder / "cgroup").mkdir(exist_ok=True)
        unshare = ("unshare", "--mount", "--propagation", "private", "sh", "-ec")
        words = (*unshare, _GROUP, "group", self._folder, self._group, _BOOT)
        self.process.start(*self._namespace.inside(*words))
        wait_until("systemd answers", self._answers, 20)

    def stop(self) -> None:
        """End it and all that it started, at once."""
        self.process.stop(signal.SIGKILL)
        # Its processes end a moment later, and keep the group until then.
        wait_until("systemd's control group is removed", self._group_removed, 10)

    def _group_removed(self) -> bool:
        unshare = ("unshare", "--mount", "--propagation", "private", "sh", "-c")
        return run(*unshare, _REMOVE_GROUP, "group", self._folder, self._group, check=False).returncode == 0

    def run(self, *words: str) -> str:
        """Run a program beside it, such as systemctl, and return what it prints."""
        return run(*self._beside(*words)).stdout

    def _answers(self) -> bool:
        return run(*self._beside("systemctl", "show-environment"), check=False).returncode == 0

    def _beside(self, *words: str) -> tuple[str, ...]:
        # It is the only child of the process that was started.
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return ("nsenter", f"--target={children[0] if children else parent}", "--mount", "--pid", "--net", *words)

    def _write_configuration(self) -> None:
        keys = yaml.safe_load(self._configuration.read_text())
        keys["DockerEndpoint"] = keys["DockerEndpoint"].replace(str(self._folder), str(_SEEN))
        (self._folder / "systemd.yaml").write_text(yaml.safe_dump(keys))

    def _write_units(self) -> None:
        units = self._folder / "units"
        units.mkdir(exist_ok=True)
        for unit in _UNITS.iterdir():
            text = unit.read_text().replace(_INSTALLED, str(self._twistd))
            (units / unit.name).write_text(text.replace(_CONFIGURED, str(_SEEN / "systemd.yaml")))
            changes = units / f"{unit.name}.d"
            changes.mkdir(exist_ok=True)
            (changes / "lab.conf").write_text(_VISIBLE if unit.suffix == ".service" else _NO_DEFAULTS)
        (units / "lab.target").write_text(_TARGET)
