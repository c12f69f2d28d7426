"""The managed plugin on a real dockerd: what it can be set to, what it may do, and what it survives."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from lab.controlled import ControlledHost
from lab.managed import NAME, adapt
from lab.shell import Process, run, wait_until
from tests.e2e.disturbance_support import ALWAYS
from tests.e2e.host_support import HostTestCase, demand_programs, place_options
from tests.e2e.managed_support import SETTINGS, command, demand_managed_host, managed_plugin, process
from tests.test_packaging import BUILDERS, pinned, versions

_REGISTRY = "localhost:5000"
#: Seconds; Docker waits 15 for a plugin that is not there.
_SOON = 12.0


class ManagedPluginTests(HostTestCase):
    """Each test finds the plugin enabled and leaves it so."""

    timeout = 400

    def demand_host(self) -> ControlledHost:
        """See HostTestCase."""
        return demand_managed_host()

    def setUp(self) -> None:
        """Remember where Docker's log, which is the plugin's too, is."""
        super().setUp()
        self._log_start = self.host.dockerd.process.log.stat().st_size

    def log(self) -> str:
        """Return what Docker and the plugin have logged during this test."""
        with self.host.dockerd.process.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode()

    def create_network(self, name: str, *words: str, pool: str = "10.21.59.0/24", **options: str) -> str:
        """Create a network by the managed plugin's name. The last ``--driver`` counts."""
        return super().create_network(name, f"--driver={NAME}", *words, pool=pool, **options)

    def enable(self) -> None:
        """Enable the plugin. What is left of one that ended by itself is in the way for a moment."""
        wait_until("the plugin is enabled", self._enabled, 30)

    def _enabled(self) -> bool:
        if self.docker("plugin", "inspect", "-f", "{{.Enabled}}", NAME) == "true":
            return process(self.host) is not None
        return self.host.docker("plugin", "enable", NAME, check=False).returncode == 0

    def settings(self) -> set[str]:
        """Return what the plugin is set to."""
        (found,) = json.loads(self.docker("plugin", "inspect", NAME))
        return {*found["Settings"]["Env"], *(mount["Source"] for mount in found["Settings"]["Mounts"])}

    def set_up(self, *settings: str) -> None:
        """Change settings of the plugin, which is disabled meanwhile, and have them back at the end."""
        names = {setting.partition("=")[0] for setting in settings}
        former = [each for each in self.settings() if each.partition("=")[0] in names]

        def change(*changed: str) -> None:
            self.docker("plugin", "disable", "-f", NAME)
            self.docker("plugin", "set", NAME, *changed)
            self.enable()

        self.addCleanup(change, *former)
        change(*settings)

    def test_attached(self) -> None:
        """Containers reach each other, and the switch's rows have what they have of any other plugin."""
        self.create_network("managed")
        self.assertEqual(self.docker("network", "inspect", "-f", "{{.Driver}}", "managed"), NAME)
        self.run_container("one", "managed")
        self.run_container("two", "managed")
        self.assert_reaches("one", self.inspect("two", "managed", "IPAddress"))
        # The name can only come from Docker's API, through the mount.
        row = self.row_of("Nuage_VM_Table", "vm_name", "one")
        self.assertEqual(row["vm_uuid"], self.endpoint_id("one", "managed"))
        self.assertIn("NetworkDriver.Join", self.log())
        self.assertIn("2 resolved", self.status())

    def status(self) -> str:
        """Return what the operator's command prints of the plugin."""
        done = command(self.host, "status")
        return done.stdout + done.stderr

    def test_packages(self) -> None:
        """It has the packages that the constraints name, in those versions, and no others."""
        found = (managed_plugin() / "rootfs" / "opt" / "nuage-plugin").rglob("*.dist-info")
        has = versions("\n".join(folder.stem.replace("-", "==") for folder in found))
        self.assertEqual({*has} - {*pinned()}, {"nuage-plugin"})
        self.assertEqual(
            {name: has.get(name) for name in {*pinned()} - BUILDERS},
            {name: version for name, version in pinned().items() if name not in BUILDERS},
        )

    def test_rights(self) -> None:
        """It has the right to make links and no other, and sees the two sockets' folders and the VSD's files alone."""
        pid = process(self.host)
        status = Path(f"/proc/{pid}/status").read_text()
        for line in ("CapPrm:\t0000000000001000", "CapBnd:\t0000000000001000", "CapInh:\t0000000000000000"):
            self.assertIn(f"{line}\n", status)
        self.assertIn("NoNewPrivs:\t1\n", status)
        mounts = [line.split()[4] for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
        ours = {mount for mount in mounts if not mount.startswith(("/proc", "/sys", "/dev", "/etc/"))}
        folders, files = {"/run/openvswitch", "/run/host"}, {"/run/vsd/password", "/run/vsd/ca.pem"}
        self.assertEqual(ours, {"/", "/run/docker/plugins", *folders, *files})

    def test_default_folder(self) -> None:
        """Of /run it sees what is there, and nothing that is mounted below, and can change nothing."""
        (default,) = (
            mount["source"]
            for mount in json.loads((managed_plugin() / "config.json").read_text())["mounts"]
            if mount["name"] == "docker-folder"
        )

        def change(source: object) -> None:
            self.docker("plugin", "disable", "-f", NAME)
            self.docker("plugin", "set", NAME, f"docker-folder.source={source}")
            self.enable()

        self.addCleanup(change, self.host.dockerd.socket.parent)
        change(default)
        pid = process(self.host)
        self.assertTrue(Path(f"/proc/{pid}/root/run/host/docker/plugins").is_dir())
        mounts = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
        (mounted,) = (mount for mount in mounts if mount[4].startswith("/run/host"))
        self.assertIn("ro", mounted[5].split(","))

    def test_bad_settings(self) -> None:
        """The plugin is not enabled, and the log names each of them, its value and what is allowed."""
        former = [each for each in self.settings() if each.startswith(("NUAGE_SCOPE", "NUAGE_MTU"))]
        self.docker("plugin", "disable", "-f", NAME)
        self.docker("plugin", "set", NAME, "NUAGE_SCOPE=moon", "NUAGE_MTU=1")
        self.refused("plugin", "enable", NAME)
        for problem in (
            "NUAGE_MTU: '1' is not allowed; allowed is a whole number from 1280 to 65535",
            "NUAGE_SCOPE: 'moon' is not allowed; allowed is local or global",
        ):
            self.assertIn(problem, self.log())
        self.docker("plugin", "set", NAME, *former)
        self.enable()

    def test_unknown_setting(self) -> None:
        """Docker refuses it."""
        self.docker("plugin", "disable", "-f", NAME)
        self.addCleanup(self.enable)
        self.assertIn("NUAGE_SKOPE", self.refused("plugin", "set", NAME, "NUAGE_SKOPE=local"))

    def test_settings(self) -> None:
        """They reach the daemon."""
        self.set_up("NUAGE_VRS_ENDPOINT=tcp:127.0.0.1:6633", "NUAGE_MTU=1400")
        self.create_network("managed")
        self.run_container("one", "managed")
        self.assertEqual(self.inside("one", "cat", "/sys/class/net/eth0/mtu"), "1400")
        self.assertIn("VRS tcp:127.0.0.1:6633", self.log())

    def test_vsd(self) -> None:
        """It asks the VSD with the password from a file of the host's, which no setting shows."""
        vsd = self.host.vsc.vsd
        password = self.host.folder / "vsd-password"
        password.write_text(f"{vsd.password}\n")
        password.chmod(0o600)
        files = {"vsd-password.source": password, "vsd-ca.source": vsd.ca}
        self.addCleanup(self.enable)
        self.addCleanup(self.docker, "plugin", "set", NAME, *(f"{name}=/dev/null" for name in files))
        self.addCleanup(self.docker, "plugin", "disable", "-f", NAME)
        self.set_up(
            *(f"{name}={path}" for name, path in files.items()),
            f"NUAGE_VSD_URL={vsd.url}",
            f"NUAGE_VSD_USER={vsd.user}",
            "NUAGE_VSD_PASSWORD_FILE=/run/vsd/password",
            "NUAGE_VSD_CA_CERTIFICATE=/run/vsd/ca.pem",
        )
        options = place_options(zone="Zoen")
        message = self.refused("network", "create", "--driver", NAME, *options, "--subnet=10.21.59.0/24", "bad")
        self.assertIn('the VSD has no zone "Zoen"', message)

    def test_log_level(self) -> None:
        """What is less grave is not in Docker's log."""
        self.set_up("NUAGE_LOG_LEVEL=error")
        self.create_network("managed")
        self.assertNotIn("[nuage.", self.log())

    def test_plugin_killed(self) -> None:
        """Docker starts it again, and a call meanwhile waits for it."""
        self.create_network("managed")
        self.run_container("one", "managed")
        former = process(self.host)
        assert former is not None
        os.kill(former, signal.SIGKILL)
        self.run_container("two", "managed")
        self.assertNotIn(process(self.host), (None, former))
        self.assert_reaches("one", self.inspect("two", "managed", "IPAddress"))

    def test_dockerd_restarted(self) -> None:
        """Docker is back at once, and so are the containers that it starts again."""
        self.create_network("managed")
        for name in ("one", "two"):
            self.run_container(name, "managed", *ALWAYS)
        self.host.dockerd.process.stop(timeout=60)
        start = time.monotonic()
        self.host.dockerd.start()
        self.host.dockerd.wait()
        for name in ("one", "two"):
            wait_until(f"{name} runs", lambda name=name: self._running(name), 30)  # type: ignore[misc]
        self.assertLess(time.monotonic() - start, _SOON)
        self.assert_reaches("one", self.inspect("two", "managed", "IPAddress"))

    def test_live_restore(self) -> None:
        """The plugin runs on while Docker restarts, and asks the new Docker, which has made its socket anew."""
        daemon_json = self.host.namespace.outside(Path("/etc/docker/daemon.json"))
        daemon_json.write_text(json.dumps({"live-restore": True}))
        self.addCleanup(self.restart_dockerd)
        self.addCleanup(daemon_json.unlink)
        self.host.dockerd.process.send(signal.SIGHUP)
        self.create_network("managed")
        self.run_container("one", "managed")
        plugin, socket = process(self.host), self.host.dockerd.socket.stat().st_ctime_ns
        self.restart_dockerd()
        self.assertEqual(process(self.host), plugin)
        self.assertNotEqual(self.host.dockerd.socket.stat().st_ctime_ns, socket)
        # Its policy opens only with its labels, which Docker's API alone tells.
        self.run_container("two", "managed")
        self.assert_reaches("two", self.inspect("one", "managed", "IPAddress"))
        self.row_of("Nuage_VM_Table", "vm_name", "two")
        self.assertRegex(self.status(), r"Docker +\S+ +API \S+ +answers")
        for name in ("one", "two"):
            self.remove_container(name)

    def restart_dockerd(self) -> None:
        """End Docker and start it again."""
        self.host.dockerd.process.stop(timeout=60)
        self.host.dockerd.start()
        self.host.dockerd.wait()

    def _running(self, name: str) -> bool:
        return self.docker("inspect", "-f", "{{.State.Running}}", name) == "true"

    def test_stale_endpoint(self) -> None:
        """What Docker forgot when it was killed is removed by the audit, which goes by the managed plugin's name."""
        self.set_up("NUAGE_AUDIT_INTERVAL=1")
        self.create_network("managed")
        with_network = self.state()
        self.run_container("one", "managed")
        self.host.dockerd.kill()
        self.host.dockerd.kill_containers()
        self.host.dockerd.start()
        self.host.dockerd.wait()
        wait_until("the endpoint is forgotten", lambda: self.state() == with_network, 60)

    def test_upgraded(self) -> None:
        """No packet between containers is lost while the plugin is replaced by another. Its settings are made anew."""
        self._push()
        self.create_network("managed")
        self.run_container("one", "managed")
        self.run_container("two", "managed", command=f"ping -i 0.2 {self.inspect('one', 'managed', 'IPAddress')}")
        self.docker("plugin", "disable", "-f", NAME)
        options = ("--grant-all-permissions", "--skip-remote-check")
        self.host.docker("plugin", "upgrade", *options, NAME, f"{_REGISTRY}/nuage:2", timeout=120)
        adapt(self.host, *SETTINGS)
        self.enable()
        self.assertEqual(self.docker("plugin", "inspect", "-f", "{{.Config.Description}}", NAME), "The second")
        self.docker("kill", "--signal=INT", "two")
        self.docker("wait", "two")
        self.assertIn(" 0% packet loss", self.docker("logs", "two"))
        self.run_container("three", "managed")
        self.assert_reaches("three", self.inspect("one", "managed", "IPAddress"))

    def _push(self) -> None:
        """Make another version of the plugin and push it into a registry of the host's own."""
        demand_programs("docker-registry")
        folder = self.host.folder / "second"
        folder.mkdir()
        run("cp", "-al", managed_plugin() / "rootfs", folder)
        # Docker refuses to make two plugins of the same files.
        (folder / "rootfs" / "second").touch()
        config = json.loads((managed_plugin() / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "description": "The second"}))
        settings = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(self.host.folder / "registry-data")}},
            "http": {"addr": "127.0.0.1:5000"},
        }
        (self.host.folder / "registry.json").write_text(json.dumps(settings))
        registry = Process("registry", self.host.folder)
        registry.start(*self.host.namespace.inside("docker-registry", "serve", self.host.folder / "registry.json"))
        self.addCleanup(registry.stop)
        name = f"{_REGISTRY}/nuage:2"
        self.host.docker("plugin", "create", name, str(folder), timeout=120)
        self.host.docker("plugin", "push", name, timeout=120)
        self.docker("plugin", "rm", name)
