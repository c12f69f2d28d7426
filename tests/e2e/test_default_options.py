"""Options of networks that the configuration of Docker gives once for all of them (Docker 24 and later).

A daemon that does not offer it is asked to say so; the other tests are not for it then.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from unittest import TestSuite

from twisted.trial.runner import TestLoader
from twisted.trial.unittest import SynchronousTestCase

from lab.controlled import ControlledHost
from lab.managed import NAME, install
from lab.release import accepts
from tests.e2e.host_support import ROOT, TOPOLOGY, HostTestCase, demand_host, demand_programs, of_this_run
from tests.e2e.managed_support import SETTINGS, managed_plugin

_FLAG = "--default-network-opt=nuage=user=admin"
#: A managed plugin has its name, as it is given with --driver.
_DEFAULTS = {name: {"organization": "Enterprise", "user": "admin"} for name in ("nuage", NAME)}
_PLACE = ("-o=domain=Domain", "-o=zone=Zone", "-o=subnet=Subnet 2")


def _configuration(folder: str) -> Path:
    """Write the configuration of a Docker daemon."""
    path = Path(folder).absolute()
    path.write_text(json.dumps({"default-network-opts": _DEFAULTS}))
    return path


class DefaultOptionsTests(HostTestCase):
    """Options that are given once."""

    timeout = 600

    def demand_host(self) -> ControlledHost:
        """Return a running host of this test alone, whose Docker has default options."""
        demand_programs("debootstrap")
        arguments = [f"--config-file={_configuration(self.mktemp())}"]
        host = of_this_run(ROOT, "defaults-", lambda name: ControlledHost(name, ROOT, arguments, TOPOLOGY))
        host.start()
        return host

    def tearDown(self) -> None:
        """Remove the host too."""
        try:
            super().tearDown()
        finally:
            self.host.remove()

    def create(self, name: str, driver: str, *words: str) -> dict[str, str]:
        """Create a network and return its options, as Docker tells them."""
        self._networks.append(name)
        self.docker("network", "create", f"--driver={driver}", *_PLACE, *words, name)
        options: dict[str, str] = json.loads(self.docker("network", "inspect", "-f", "{{json .Options}}", name))
        return options

    def test_organization_and_user(self) -> None:
        """They need not be given with a network, and are overridden by those that are."""
        self.assertLessEqual(_DEFAULTS["nuage"].items(), self.create("n1", "nuage", "--subnet=10.21.59.0/24").items())
        other = self.create("n2", "nuage", "--subnet=10.21.60.0/24", "-o=organization=Other")
        self.assertEqual((other["organization"], other["user"]), ("Other", "admin"))
        for container, network, organization in (("one", "n1", "Enterprise"), ("two", "n2", "Other")):
            self.run_container(container, network)
            row = self.row_of("Nuage_VM_Table", "vm_name", container)
            self.assertEqual((row["nuage_enterprise"], row["nuage_user"]), (organization, "admin"))

    def test_a_managed_plugin(self) -> None:
        """Its options are given under its whole name."""
        install(self.host, managed_plugin(), *SETTINGS)
        self.create("n1", NAME, "--subnet=10.21.59.0/24")
        self.run_container("one", "n1")
        self.assertEqual(self.row_of("Nuage_VM_Table", "vm_name", "one")["nuage_enterprise"], "Enterprise")


class NotOfferedTests(SynchronousTestCase):
    """A daemon without default options."""

    timeout = 120

    def test_it_says_so(self) -> None:
        """It does not start with them, and names them."""
        host = demand_host()
        command = ("dockerd", f"--config-file={_configuration(self.mktemp())}")
        done = host.run(*host.release.inside(*command), check=False)
        self.assertIn("the following directives don't match any configuration option: nuage", done.stderr)


def test_suite() -> TestSuite:
    """Return the tests for what the daemon offers."""
    offered = shutil.which("dockerd") is None or accepts(_FLAG)
    return TestSuite([TestLoader().loadClass(DefaultOptionsTests if offered else NotOfferedTests)])
