"""What the audit finds on a real host, and what it leaves alone."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.shell import wait_until
from tests.e2e.disturbance_support import DisturbedTestCase

#: An endpoint that Docker does not know.
STALE = "5" * 64
NAME = "nu" + STALE[:13]


class AuditTests(DisturbedTestCase):
    """Faults that somebody makes by hand, or that a killed daemon leaves.

    The plugin audits often, because these tests are about that, and its log tells of each audit.
    """

    configuration: Mapping[str, object] = {"audit_interval": 1.0, "LogLevel": "Debug"}

    def transact(self, *operations: dict[str, Any]) -> None:
        """Change the switch's database by hand."""
        command = json.dumps(["Open_vSwitch", *operations])
        answer = self.host.run("ovsdb-client", "transact", "unix:/var/run/openvswitch/db.sock", command).stdout
        self.assertNotIn("error", answer)

    def remember(self, key: str, record: dict[str, Any]) -> None:
        """Put a record at the bridge by hand."""
        mutations = [["external_ids", "insert", ["map", [[key, json.dumps(record)]]]]]
        where = [["name", "==", "alubr0"]]
        self.transact({"op": "mutate", "table": "Bridge", "where": where, "mutations": mutations})

    def audit(self) -> None:
        """Have the plugin audit now; return when it has."""
        before = self.audits()
        self.host.plugin.process.send(signal.SIGUSR2)
        wait_until("an audit", lambda: self.audits() > before, 10)

    def audits(self) -> int:
        """Return how many audits the plugin has made, with what it had to do then."""
        return len(re.findall(r"audit: \d+ proposals", self.host.plugin.process.log.read_text()))

    def dry_run(self) -> list[str]:
        """Return what the plugin says that it would do."""
        twistd = Path(sys.executable).parent / "twistd"
        options = ("--config", self.host.plugin.config, "--dry-run")
        return self.host.run(twistd, "-n", "--pidfile=", "nuage-plugin", *options).stdout.splitlines()

    def with_rare_audits(self) -> None:
        """Have the plugin audit at its start, when it is told to, and to confirm what that found."""
        before = self.audits()
        self.configure(**{**self.configuration, "audit_interval": 60.0})
        wait_until("the audit at the start", lambda: self.audits() > before, 10)

    def test_what_a_hand_removed_reappears(self) -> None:
        """The bridge port, and each row of an endpoint in use, with the same content."""
        self.create_network("whole")
        self.run_container("peer", "whole")
        self.run_container("victim", "whole")
        address = self.inspect("peer", "whole", "IPAddress")
        endpoint = self.endpoint_id("victim", "whole")
        name = "nu" + endpoint[:13]
        whole = self.state()
        rows = self.row_of("Nuage_VM_Table", "vm_uuid", endpoint), self.row_of("Nuage_Port_Table", "name", name)
        for damage in (
            lambda: self.host.switch.vsctl("del-port", "alubr0", name),
            lambda: self.delete("Nuage_Port_Table", "name", name),
            lambda: self.delete("Nuage_VM_Table", "vm_uuid", endpoint),
        ):
            damage()
            self.assertNotEqual(self.state(), whole)
            self.wait_for_state(whole)
            self.assert_reaches("victim", address)
        again = self.row_of("Nuage_VM_Table", "vm_uuid", endpoint), self.row_of("Nuage_Port_Table", "name", name)
        for before, after in zip(rows, again, strict=True):
            self.assertEqual(_content(before), _content(after))
        for container in ("peer", "victim"):
            self.remove_container(container)
        self.remove_network("whole")

    def delete(self, table: str, column: str, value: str) -> None:
        """Remove a row by hand."""
        self.transact({"op": "delete", "table": table, "where": [[column, "==", value]]})

    def test_what_is_stale_goes_when_it_is_confirmed(self) -> None:
        """An endpoint's record, rows and port, a network's record, a link: the first audit leaves them, by name."""
        self.with_rare_audits()
        clean = self.state()
        network = "6" * 64
        self.remember(f"nuage-endpoint-{STALE}", {"id": STALE, "network_id": network, "mac": "7a:42:00:00:00:01"})
        self.remember(f"nuage-network-{network}", _network(network))
        self.delete_link_at_end("nu7777777777777")
        self.host.run("ip", "link", "add", "nu7777777777777", "type", "veth", "peer", "name", "nc7777777777777")
        self.host.run("ip", "link", "set", "nu7777777777777", "alias", "nuage endpoint " + "7" * 64)
        stale = self.state()
        self.assertNotEqual(stale, clean)
        proposed = self.dry_run()
        self.assertIn(f"would remove endpoint {STALE}, which Docker does not know", proposed)
        self.assertIn("would remove link nu7777777777777, whose endpoint is gone", proposed)
        self.assertEqual(self.state(), stale)
        # Audits that are asked for confirm nothing earlier.
        for _ in range(3):
            self.audit()
            self.assertEqual(self.state(), stale)
        # The network is stale once no endpoint is on it any more: that takes two confirmations.
        wait_until("all of it is gone", lambda: self.state() == clean, 30)
        self.assertEqual(self.dry_run(), ["0 proposals; nothing was done"])

    def test_what_is_somebody_elses_is_left_alone(self) -> None:
        """Ports and links whose names look like ours, and rows that another agent wrote."""
        clean = self.state()
        link = "nu8888888888888"
        self.delete_link_at_end(link)
        self.host.run("ip", "link", "add", link, "type", "veth", "peer", "name", "nc8888888888888")
        self.host.switch.vsctl("add-port", "alubr0", NAME, "--", "set", "interface", NAME, "type=internal")
        self.addCleanup(self.host.switch.vsctl, "--if-exists", "del-port", "alubr0", NAME)
        self.transact(
            {"op": "insert", "table": "Nuage_Port_Table", "row": {"name": "vm-port-1"}},
            {"op": "insert", "table": "Nuage_VM_Table", "row": {"vm_uuid": "vm-1", "ports": "vm-port-1"}},
        )
        self.addCleanup(self.delete, "Nuage_Port_Table", "name", "vm-port-1")
        self.addCleanup(self.delete, "Nuage_VM_Table", "vm_uuid", "vm-1")
        foreign = self.state()
        # Something of ours that goes shows that what is stale has been confirmed.
        self.remember(f"nuage-endpoint-{STALE}", {"id": STALE, "network_id": "6" * 64, "mac": "7a:42:00:00:00:01"})
        wait_until("audits", lambda: len(self.bridge_record_keys()) == len(clean["records"]), 15)
        self.assertEqual(self.state(), foreign)
        self.doCleanups()

    def delete_link_at_end(self, name: str) -> None:
        """Remove a link when the test is over."""
        self.addCleanup(self.host.run, "ip", "link", "delete", name, check=False)

    def test_endpoints_that_a_killed_dockerd_never_left(self) -> None:
        """It forgets them without a call to the plugin."""
        self.create_network("crash")
        with_network = self.state()
        for name in ("one", "two", "three"):
            self.run_container(name, "crash")
        self.host.dockerd.kill()
        self.host.dockerd.kill_containers()
        self.host.dockerd.start()
        self.host.dockerd.wait()
        self.wait_for_state(with_network)
        self.run_container("four", "crash")
        self.assert_reaches("four", self.inspect("four", "crash", "IPAddress"))

    def test_clean_up_while_the_switch_is_away(self) -> None:
        """A container that is removed during an outage goes from the switch after it, without a word from Docker."""
        self.create_network("outage")
        with_network = self.state()
        for restarted in (False, True):
            self.run_container("gone", "outage")
            self.host.switch.database.stop()
            self.remove_container("gone")
            if restarted:
                self.host.plugin.stop(signal.SIGKILL)
                self.start_plugin()
            self.host.switch.start_database()
            # Up to 6 s until the plugin connects again; a plugin that was killed needs audits besides.
            self.wait_for_state(with_network, 15)

    def test_sigusr2(self) -> None:
        """It asks for an audit at once, which the log tells."""
        self.with_rare_audits()
        self.remember(f"nuage-endpoint-{STALE}", {"id": STALE, "network_id": "6" * 64, "mac": "7a:42:00:00:00:01"})
        self.audit()
        wait_until("it is confirmed", lambda: STALE not in str(self.bridge_record_keys()), 10)
        self.assertIn(f"audit: remove endpoint {STALE}", self.host.plugin.process.tail())


def _content(row: dict[str, Any]) -> dict[str, Any]:
    return {column: value for column, value in row.items() if column not in ("_uuid", "_version")}


def _network(network_id: str) -> dict[str, Any]:
    return {"id": network_id, "organization": "E", "user": "u", "domain": "D", "pool": "10.21.77.0/24"}
