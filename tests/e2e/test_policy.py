"""A policy group, by each of the ways that a user has to name it, decides what a container reaches."""

from __future__ import annotations

import attrs

from lab.host import Host
from lab.shell import wait_until
from tests.e2e.topology_support import Place, TopologyTestCase

#: The topology: "quarantine" exchanges nothing with anybody, "web" everything with members and with ports in no group.
PLACE = Place(host="a", organization="Enterprise", domain="Domain", zone="Zone", subnet="Subnet 2")
PEER = attrs.evolve(PLACE, host="b", address="10.21.59.130")
QUARANTINE = "nuage.policy-group=quarantine"


class PolicyGroupTests(TopologyTestCase):
    """Containers on one host, and a peer in no group on the other."""

    def setUp(self) -> None:
        """Run the peer."""
        super().setUp()
        self.run_container("peer", PEER)

    def test_option_of_the_endpoint(self) -> None:
        """It is given to ``docker run``, and to ``docker network connect`` while the container runs."""
        place = attrs.evolve(PLACE, address="10.21.59.2")
        self.run_container("web", place, network=f"name={place.network},driver-opt={QUARANTINE}")
        self.assertEqual(self.pairs("web", "peer"), set())
        self.reconnect("web")
        self.assertEqual(self.group("web"), None)
        self.assertEqual(self.pairs("web", "peer"), {"web-peer", "peer-web"})
        self.reconnect("web", f"--driver-opt={QUARANTINE}", "--driver-opt=nuage.redirection-target=firewall")
        self.assertEqual(self.port_row("web")["metadata"]["nuage-redirection-target"], "firewall")
        self.assertEqual(self.pairs("web", "peer"), set())

    def test_label(self) -> None:
        """It is the container's; others on its network are reached as ever."""
        self.run_container("jailed", attrs.evolve(PLACE, address="10.21.59.2"), f"--label={QUARANTINE}")
        self.run_container("free", attrs.evolve(PLACE, address="10.21.59.3"), "--label=nuage.orchestration-id=job-7")
        self.assertEqual(self.pairs("jailed", "free", "peer"), {"free-peer", "peer-free"})
        (entity,) = (row for row in self.hosts["a"].switch.rows("Nuage_VM_Table") if row["vm_name"] == "free")
        self.assertEqual(entity["metadata"]["nuage-orchestrationID"], "job-7")

    def test_option_of_the_network(self) -> None:
        """It is that of containers that name none; a label comes before it, and the endpoint's option before both."""
        place = attrs.evolve(PLACE, options=("-o=policy-group=quarantine",))
        web = "--label=nuage.policy-group=web"
        named = f"name={place.network},driver-opt={QUARANTINE}"
        self.run_container("jailed", attrs.evolve(place, address="10.21.59.2"))
        self.run_container("labelled", attrs.evolve(place, address="10.21.59.3"), web)
        self.run_container("named", attrs.evolve(place, address="10.21.59.4"), web, network=named)
        reached = self.pairs("jailed", "labelled", "named", "peer")
        self.assertEqual(reached, {"labelled-peer", "peer-labelled"})

    def test_label_that_docker_tells_later(self) -> None:
        """Docker answers no question while it starts: the group of a container that it starts then is applied after."""
        host = self.hosts["a"]
        place = attrs.evolve(PLACE, address="10.21.59.2")
        self.run_container("jailed", place, f"--label={QUARANTINE}", "--restart=always", "--stop-signal=KILL")
        host.dockerd.process.stop()
        host.dockerd.start()
        host.dockerd.wait()
        wait_until("the container is named", lambda: self.is_named(host, "jailed"), 20)
        self.assertEqual(self.group("jailed"), "quarantine")
        # The database keeps all transactions: before, the entity was told with the endpoint's id for a name.
        self.assertIn(f'"vm_name":"{self.endpoint_id("jailed")}"', (host.folder / "conf.db").read_text())
        self.assertEqual(self.pairs("jailed", "peer"), set())

    def is_named(self, host: Host, container: str) -> bool:
        """Tell whether the VRS of a host knows the container by its name."""
        return any(row["vm_name"] == container for row in host.switch.rows("Nuage_VM_Table"))

    def group(self, container: str) -> str | None:
        """Return the policy group that the VRS is told of."""
        metadata: dict[str, str] = self.port_row(container)["metadata"]
        return metadata.get("nuage-policy-group")

    def reconnect(self, container: str, *words: str) -> None:
        """Take a container from its network and connect it anew."""
        network, host = PLACE.network, self.hosts[PLACE.host]
        host.docker("network", "disconnect", network, container)
        host.docker("network", "connect", *words, "--ip=10.21.59.2", network, container)
