"""What the lab's demonstrations show."""

from __future__ import annotations

import base64
import contextlib
import io
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from lab import demo, swarm_demo
from lab.pair import Pair
from tests.e2e.host_support import HostTestCase, demand_programs, of_this_run
from tests.e2e.topology_support import pair_of

ROOT = Path(tempfile.gettempdir()) / "nuage-e2e-labs"


class ToolTests(HostTestCase):
    """Open vSwitch's own tools on a host, as one types them."""

    def test_tools(self) -> None:
        """They find both daemons without being told where they are, as where docs/installing.rst opens the OVSDB."""
        for daemon in ("ovsdb-server", "ovs-vswitchd"):
            self.assertIn(daemon, self.host.run("ovs-appctl", "-t", daemon, "version").stdout)
        self.assertIn("alubr0", self.host.run("ovs-vsctl", "show").stdout)
        remote = "ptcp:6633:127.0.0.1"
        self.host.run("ovs-appctl", "-t", "ovsdb-server", "ovsdb-server/add-remote", remote)
        self.assertIn(remote, self.host.run("ovs-appctl", "-t", "ovsdb-server", "ovsdb-server/list-remotes").stdout)


class VsdTests(HostTestCase):
    """The VSD, from a host."""

    def test_reached(self) -> None:
        """It is there by the name and with the authority that a plugin is to be told, and again after it was away."""
        access = self.host.vsc.vsd
        credentials = base64.b64encode(f"{access.user}:{access.password}".encode()).decode()
        ask = f"""
import ssl, urllib.request
headers = {{"Authorization": "XREST {credentials}", "X-Nuage-Organization": "{access.organization}"}}
request = urllib.request.Request("{access.url}/nuage/api/v6/me", headers=headers)
context = ssl.create_default_context(cafile="{access.ca}")
print(urllib.request.urlopen(request, context=context, timeout=10).read().decode())
"""
        words = ("/usr/bin/python3", "-c", ask)
        self.assertIn('"userName": "csproot"', self.host.run(*words).stdout)
        url = self.host.vsc.vsd_url
        self.host.vsc.leave_vsd()
        self.assertIn("refused", self.host.run(*words, check=False).stderr)
        self.host.vsc.come_back_vsd()
        self.assertIn('"userName": "csproot"', self.host.run(*words).stdout)
        self.assertEqual(self.host.vsc.vsd_url, url)


class DemonstrationTests(SynchronousTestCase):
    """They come up, show what they promise, and can be shown again."""

    timeout = 400

    def setUp(self) -> None:
        """Name the hosts; they are started by what is tested."""
        demand_programs("debootstrap")
        self.pair = of_this_run(ROOT, "l", lambda name: pair_of(name, ROOT))
        self.addCleanup(self.pair.remove)

    def shown(self, up: Callable[[Pair], None]) -> str:
        """Return what a demonstration prints."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            up(self.pair)
        return printed.getvalue()

    def losses(self, shown: str) -> list[str]:
        """Return the percentages of pings that were lost."""
        return re.findall(r"(\d+)% packet loss", shown)

    def test_containers(self) -> None:
        """Three pings get their answers, the one of the other organization does not; rows and vPort come last."""
        for times in range(2):
            shown = self.shown(demo.up)
            self.assertEqual(self.losses(shown), ["0", "0", "0", "100"])
            self.assertEqual("is already up" in shown, bool(times))
        self.assertRegex(shown, r'ip_addr +: "10\.21\.59\.\d+"\n')
        self.assertNotIn("--subnet", shown.partition("MyNet")[0])
        self.assertRegex(shown, r"vm_name +: web\n")
        self.assertIn("Endpoints   2 resolved\n", re.sub(" +\n", "\n", shown))
        self.assertRegex(shown, r"vport: name nu\w+, type CONTAINER, operational_state UP\n")
        self.assertRegex(shown, rf"ssh -L localhost:8080:{self.pair.hosts[0].plugin.control_socket} root@\S+ +#")
        self.assertRegex(shown, r"https://localhost:\d+/nuage/api/v6/me")

    def test_swarm(self) -> None:
        """Tasks run on both nodes and reach each other."""
        for times in range(2):
            shown = self.shown(swarm_demo.up)
            self.assertEqual(self.losses(shown), ["0", "0"])
            self.assertEqual("is already up" in shown, bool(times))
        for host in self.pair.hosts:
            self.assertRegex(shown, rf" web\.\d .* {host.name} +Running +Running ")
