"""What a user gives with ``driver-opt`` that is for Docker, and what Docker makes of it."""

from __future__ import annotations

from lab.dockerd import IMAGE
from lab.release import accepts
from tests.e2e.host_support import SINCE_28, HostTestCase

_PREFIX = "driver-opt=com.docker.network.endpoint"


class EndpointOptionsTests(HostTestCase):
    """Options whose keys begin with ``com.docker.``."""

    def interfaces(self, container: str) -> list[str]:
        """Return the names of the interfaces of a container, without the loopback."""
        lines = self.docker("exec", container, "ip", "-o", "link").splitlines()
        return [line.split()[1].partition("@")[0].rstrip(":") for line in lines if "LOOPBACK" not in line]

    def test_a_name_for_the_interface(self) -> None:
        """The interface has it, after another start and another connection as well, and the address is there."""
        self.create_network("named")
        self.run_container("web", f"name=named,{_PREFIX}.ifname=web0", "--ip=10.21.59.7")
        self.assertEqual(self.interfaces("web"), ["web0"])
        self.docker("restart", "-t0", "web")
        self.assertEqual(self.interfaces("web"), ["web0"])
        self.assertIn("10.21.59.7/24", self.docker("exec", "web", "ip", "addr", "show", "web0"))
        self.assertIn("default via 10.21.59.1 dev web0", self.docker("exec", "web", "ip", "route"))
        self.remove_container("web")

    def test_a_name_that_no_interface_can_have(self) -> None:
        """The container does not start, and the message says what to give."""
        self.create_network("misnamed")
        self._containers.append("web")
        network = f"name=misnamed,{_PREFIX}.ifname=a/b"
        message = self.refused("run", "-d", "--name", "web", "--network", network, IMAGE, "sleep", "9")
        self.assertIn('driver-opt "com.docker.network.endpoint.ifname" is "a/b"; give a name of 1 to 15', message)

    def test_those_that_docker_carries_out(self) -> None:
        """They reach the plugin as well, which says nothing of them."""
        known = accepts(SINCE_28)
        written = self.host.plugin.process.log.stat().st_size
        self.create_network(
            "tuned", "-o=com.docker.network.advertise_addr_nmsgs=1", "-o=com.docker.network.advertise_addr_ms=100"
        )
        network = (
            f'name=tuned,"{_PREFIX}.sysctls=net.ipv4.conf.IFNAME.log_martians=1"{",gw-priority=7" if known else ""}'
        )
        self.run_container("tuned", network)
        value = self.docker("exec", "tuned", "cat", "/proc/sys/net/ipv4/conf/eth0/log_martians")
        self.assertEqual(value, "1" if known else "0")
        self.assertNotIn("#warn", self.host.plugin.process.log.read_bytes()[written:].decode())
        self.remove_container("tuned")
