"""A plugin that knows the VSD: what the docker command says of networks that are wrong."""

from __future__ import annotations

from typing import Any

from lab.shell import wait_until
from tests.e2e.host_support import PLACE, HostTestCase


class VsdTests(HostTestCase):
    """Networks with names and addresses that the VSD does not have."""

    def setUp(self) -> None:
        """Have the plugin know the VSD; a container that cannot start is not waited for long."""
        super().setUp()
        vsd = self.host.vsc.vsd
        self.password = self.host.folder / "vsd-password"
        self.password.write_text(f"{vsd.password}\n")
        self.password.chmod(0o600)
        self.configured(
            resolve_timeout=1,
            vsd_url=vsd.url,
            vsd_organization=vsd.organization,
            vsd_user=vsd.user,
            vsd_password_file=str(self.password),
            vsd_ca_certificate=str(vsd.ca),
        )
        self.addCleanup(self.configured)

    def configured(self, **keys: Any) -> None:
        """Start the plugin anew with these keys."""
        self.host.plugin.configure(**keys)
        self.host.plugin.stop()
        self.start_plugin()

    def logged(self, text: str) -> bool:
        """Tell whether the plugin logged something."""
        return text in self.host.plugin.process.log.read_text()

    def test_networks(self) -> None:
        """A misspelt one is refused with the nearest name, a wrong CIDR with what to copy, which then works."""
        options = [f"-o={key}={value}" for key, value in {**PLACE, "zone": "Zoen"}.items()]
        message = self.refused("network", "create", "--driver=nuage", *options, "--subnet=10.21.59.0/24", "bad")
        self.assertIn('the VSD has no zone "Zoen" in domain "Domain" of organization "Enterprise"', message)
        self.assertIn('did you mean "Zone"?', message)
        options[2] = "-o=zone=Zone"
        message = self.refused("network", "create", "--driver=nuage", *options, "--subnet=10.99.0.0/24", "bad")
        self.assertEqual(self.state(), self._before)
        flags = message.partition("create the network with ")[2].split()
        self.assertEqual(len(flags), 2, message)
        self._networks.append("good")
        self.docker("network", "create", "--driver=nuage", *options, *flags, "good")
        self.run_container("web", "good")

    def test_a_vsd_that_is_away(self) -> None:
        """It stops no network. One that is wrong is told when it is back, in the log and by a container's start."""
        self.host.vsc.leave_vsd()
        self.create_network("wrong", zone="Zoen")
        self.assertTrue(self.logged("could not be compared with the VSD"))
        self.host.vsc.come_back_vsd()
        # Its return is noticed after some seconds; a plugin that starts looks at once.
        self.host.plugin.stop()
        self.start_plugin()
        wait_until("it is told", lambda: self.logged("was created while the VSD was away, and is wrong"), 20)
        self._containers.append("web")
        message = self.refused("run", "-d", "--name=web", "--net=wrong", "busybox:local", "sleep", "1000")
        self.assertIn('the VRS did not resolve the port within 1 s: the VSD has no zone "Zoen"', message)
