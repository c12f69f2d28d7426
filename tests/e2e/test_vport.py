"""What the VSD knows of real containers, and what they notice of what is changed there."""

from __future__ import annotations

from vspk import v6

from lab.sdk import provider
from lab.shell import wait_until
from tests.e2e.topology_support import Place, TopologyTestCase

_TAKEN = "10.21.59.9"


def _place(host: str, address: str) -> Place:
    return Place(host=host, organization="Enterprise", domain="Domain", zone="Zone", subnet="Subnet 2", address=address)


class VportTests(TopologyTestCase):
    """An administrator at work, by Nuage's own SDK."""

    resolve_timeout = 3.0

    def test_administrator(self) -> None:
        """A container's vPort is there; moved to other groups it reaches others; the address of a VM is refused."""
        self.run_resolved({"web": _place("a", "10.21.59.2"), "db": _place("b", "10.21.59.3")})
        self.assertTrue(self.reaches("web", "db"))
        with provider(self.vsc) as user:
            container = user.containers.get_first(filter="name == 'db'")
            (interface,) = container.container_interfaces.get()
            self.assertEqual(
                (container.status, container.hypervisor_ip, interface.ip_address, interface.mac),
                ("RUNNING", self.hosts["b"].address, "10.21.59.3", self.port_row("db")["mac"]),
            )
            subnet = v6.NUSubnet(id=interface.attached_network_id)
            vport = v6.NUVPort(id=interface.vport_id)
            for groups, reached in ((["quarantine"], False), (["quarantine", "web"], True), ([], True)):
                domain = v6.NUDomain(id=interface.domain_id)
                chosen = [each for each in domain.policy_groups.get() if each.name in groups]
                vport.assign(chosen, v6.NUPolicyGroup)
                expected = {"web-db", "db-web"} if reached else set()
                wait_until(f"db is in {groups}", lambda: self.pairs("web", "db") == expected, 20)  # noqa: B023
            self.assertEqual(self.port_row("db")["ip_addr"], "10.21.59.3")
            machine = v6.NUVPort(name="machine", type="VM", address_spoofing="INHERITED")
            subnet.create_child(machine)
            taken = v6.NUVMInterface(name="eth0", vmuuid="machine", mac="7a:42:00:00:00:99", ip_address=_TAKEN)
            machine.create_child(taken)
            try:
                message = self.refused_container("late", _place("a", _TAKEN))
                self.assertIn("did not resolve", message)
                self.assertIn(f'{_TAKEN} cannot be used: vport "machine" has it', self.vsc.process.tail())
            finally:
                taken.delete()
                machine.delete()
            for letter, name in (("a", "web"), ("b", "db")):
                self.hosts[letter].docker("rm", "-f", name)
            wait_until("the VSD has forgotten them", lambda: not user.containers.get(), 10)
            self.assertEqual(subnet.vports.get(), [])
