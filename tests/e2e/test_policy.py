"""A policy group, by each of the ways that a user has to name it, decides what a container reaches."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import attrs

from lab.host import Host
from lab.shell import wait_until
from lab.switch import BRIDGE, DATABASE
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
        for former, name in (("jailed", "renamed"), ("renamed", "jailed")):
            self.hosts["a"].docker("rename", former, name)
            self.hosts["a"].plugin.process.send(signal.SIGUSR2)
            wait_until("the VRS knows the new name", partial(self.is_named, self.hosts["a"], name), 10)
        self.assertEqual(self.group("jailed"), "quarantine")

    def test_option_of_the_network(self) -> None:
        """It applies to containers that name none; a label overrides it, and the endpoint's option overrides both."""
        place = attrs.evolve(PLACE, options=("-o=policy-group=quarantine",))
        web = "--label=nuage.policy-group=web"
        named = f"name={place.network},driver-opt={QUARANTINE}"
        self.run_container("jailed", attrs.evolve(place, address="10.21.59.2"))
        self.run_container("labelled", attrs.evolve(place, address="10.21.59.3"), web)
        self.run_container("named", attrs.evolve(place, address="10.21.59.4"), web, network=named)
        reached = self.pairs("jailed", "labelled", "named", "peer")
        self.assertEqual(reached, {"labelled-peer", "peer-labelled"})

    def test_label_while_docker_starts(self) -> None:
        """Docker tells no label before it runs: the containers that it restarts are shut until it does."""
        host = self.hosts["a"]
        for name, number, *words in (("jailed", 2, f"--label={QUARANTINE}"), ("free", 3)):
            place = attrs.evolve(PLACE, address=f"10.21.59.{number}")
            always = ("--restart=always", "--stop-signal=KILL", f"--mac-address=7a:42:00:00:00:0{number}")
            self.run_container(name, place, *always, *words)
        with self.pings("jailed", "free") as answers:
            host.dockerd.kill()
            host.dockerd.kill_containers()
            before = answers("free")
            host.dockerd.start()
            host.dockerd.wait()
            wait_until("both are named", lambda: self.is_named(host, "jailed") and self.is_named(host, "free"), 20)
            self.wait_for_more(answers, before)
            self.assertEqual(answers("jailed"), 0)
        self.assertEqual(self.groups_told("jailed"), {"quarantine"})
        self.assertEqual(self.pairs("jailed", "free", "peer"), {"free-peer", "peer-free"})

    def test_what_is_put_back(self) -> None:
        """An option of the endpoint and a label come back with it, also where the plugin forgot it by a restart."""
        host = self.hosts["a"]
        place = attrs.evolve(PLACE, address="10.21.59.2")
        self.run_container("named", place, network=f"name={place.network},driver-opt={QUARANTINE}")
        self.run_container("labelled", attrs.evolve(PLACE, address="10.21.59.3"), f"--label={QUARANTINE}")
        self.run_container("free", attrs.evolve(PLACE, address="10.21.59.4"))
        names = ("named", "labelled", "free")
        for restarted in (False, True):
            with self.pings(*names) as answers:
                if restarted:
                    host.plugin.stop()
                self.lose(*names)
                before = answers("free")
                if restarted:
                    host.plugin.start()
                    host.plugin.wait()
                host.plugin.process.send(signal.SIGUSR2)
                wait_until("all are back", lambda: all(self.is_named(host, name) for name in names), 20)
                self.wait_for_more(answers, before)
                self.assertEqual((answers("named"), answers("labelled")), (0, 0))
            self.assertEqual(self.groups_told("named") | self.groups_told("labelled"), {"quarantine"})

    def wait_for_more(self, answers: Callable[[str], int], before: int) -> None:
        """Wait until the container in no group answers again, which shows that those in one would as well."""
        wait_until("the free one answers again", lambda: answers("free") > before + 5, 20)

    def lose(self, *containers: str) -> None:
        """Remove all that the switch has of some containers, at once, as somebody does who empties its database."""
        operations: list[object] = []
        for container in containers:
            name = f"nu{self.endpoint_id(container)[:13]}"
            (port,) = (row["_uuid"] for row in self.hosts["a"].switch.rows("Port") if row["name"] == name)
            mutation = ["ports", "delete", ["uuid", port]]
            operations += [
                {"op": "mutate", "table": "Bridge", "where": [["name", "==", BRIDGE]], "mutations": [mutation]},
                {"op": "delete", "table": "Nuage_Port_Table", "where": [["name", "==", name]]},
                {"op": "delete", "table": "Nuage_VM_Table", "where": [["vm_uuid", "==", self.endpoint_id(container)]]},
            ]
        command = json.dumps(["Open_vSwitch", *operations])
        answer = self.hosts["a"].run("ovsdb-client", "transact", DATABASE, command).stdout
        self.assertNotIn("error", answer)

    @contextmanager
    def pings(self, *containers: str) -> Iterator[Callable[[str], int]]:
        """Have the peer ping some containers ten times a second; what comes tells how many answers one gave so far.

        It needs not to ask for their MAC addresses, which it would do but once a second.
        """
        host = self.hosts["b"]
        addresses = {container: self.address(container) for container in containers}
        process = host.docker("inspect", "-f={{.State.Pid}}", "peer").stdout.strip()
        for container, address in addresses.items():
            told = (address, "lladdr", self._inspect(container, "MacAddress"), "dev", "eth0", "nud", "permanent")
            host.run("nsenter", f"--target={process}", "--net", "ip", "neigh", "replace", *told)
        script = "".join(f"ping -i 0.1 {address} >/tmp/{address} 2>&1 &\n" for address in addresses.values())
        self.execute("peer", "sh", "-c", script)

        def answers(container: str) -> int:
            lines = self.execute("peer", "cat", f"/tmp/{addresses[container]}").stdout.splitlines()
            return sum("bytes from" in line for line in lines)

        try:
            yield answers
        finally:
            self.execute("peer", "killall", "ping")

    def groups_told(self, container: str) -> set[str | None]:
        """Return the policy groups that the VRS was ever told for the container's port: the database's file has all."""
        name = f"nu{self.endpoint_id(container)[:13]}"
        groups = set()
        for line in (self.hosts["a"].folder / "conf.db").read_text().splitlines():
            rows = json.loads(line).get("Nuage_Port_Table", {}) if line.startswith("{") else {}
            for row in rows.values():
                if row and row.get("name") == name:
                    groups.add(dict(row["metadata"][1]).get("nuage-policy-group"))
        return groups

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
