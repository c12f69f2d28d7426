"""``nuage-plugin explain`` of containers on a real host: the broken stage is named first, with what mends it."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.dockerd import IMAGE
from lab.shell import wait_until
from lab.switch import DATABASE
from tests.e2e.disturbance_support import DisturbedTestCase
from tests.e2e.host_support import HostTestCase

_PROGRAM = Path(sys.executable).parent / "nuage-plugin"


class ExplainingTestCase(HostTestCase):
    """A test that asks the command."""

    def ask(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run the command on the host."""
        return self.host.run(_PROGRAM, "--config", self.host.plugin.config, *words, check=False)

    def explained(self, container: str) -> Any:
        """Return the explanation of a container that is on one of our networks."""
        done = self.ask("explain", "--json", container)
        self.assertNotEqual(done.stdout, "", done.stderr)
        (explanation,) = json.loads(done.stdout)
        self.assertEqual(done.returncode, 1 if explanation["answer"] else 0)
        return explanation

    def assert_answer(self, container: str, stage: str, verdict: str, text: str, remedy: str) -> None:
        """Assert which stage is the answer, and parts of its text and of its remedy."""
        answer = self.explained(container)["answer"]
        self.assertEqual((answer["name"], answer["verdict"]), (stage, verdict), answer)
        self.assertIn(text, answer["text"])
        self.assertIn(remedy, answer["remedy"])

    def assert_well(self, container: str) -> Mapping[str, str]:
        """Assert that there is nothing to say against any stage, and return the texts by stage."""
        explanation = self.explained(container)
        self.assertEqual({stage["verdict"] for stage in explanation["stages"]}, {"ok"}, explanation["stages"])
        return {stage["name"]: stage["text"] for stage in explanation["stages"]}


class ExplainTests(ExplainingTestCase):
    """Containers in the default configuration, to which somebody does something by hand."""

    def setUp(self) -> None:
        """Make a network."""
        super().setUp()
        self.create_network("explained")

    def test_what_a_hand_broke(self) -> None:
        """The link's MTU, the link, a row of each table: each is named; when it is mended, all is well."""
        self.run_container("victim", "explained")
        endpoint = self.endpoint_id("victim", "explained")
        link = f"nu{endpoint[:13]}"
        texts = self.assert_well("victim")
        self.assertIn(self.inspect("victim", "explained", "IPAddress"), texts["Docker"])
        self.assertIn('zone "Zone", subnet "Subnet 2"', texts["network"])
        with self.set_back(link, "mtu", "1450"):
            self.host.run("ip", "link", "set", link, "mtu", "1400")
            mended = f"ip link set {link} mtu 1450"
            self.assert_answer("victim", "link", "broken", f"the MTU of link {link} is 1400", mended)
        with self.set_back(link, "up"):
            self.host.run("ip", "link", "set", link, "down")
            self.assert_answer(endpoint[:12], "link", "broken", f"link {link} is down", f"ip link set {link} up")
        self.delete("Nuage_VM_Table", "vm_uuid", endpoint)
        self.assert_answer("victim", "Nuage_VM_Table", "broken", "somebody removed it", "the next audit")
        self.delete("Nuage_Port_Table", "name", link)
        self.assert_answer("victim", "Nuage_Port_Table", "broken", "somebody removed it", "the next audit")

    @contextmanager
    def set_back(self, link: str, *words: str) -> Iterator[None]:
        """Mend a link by hand in the end, after which all is well."""
        yield
        self.host.run("ip", "link", "set", link, *words)
        wait_until("its carrier is back", lambda: self.explained("victim")["answer"] is None, 5)

    def delete(self, table: str, column: str, value: str) -> None:
        """Remove a row by hand."""
        operation = {"op": "delete", "table": table, "where": [[column, "==", value]]}
        command = json.dumps(["Open_vSwitch", operation])
        self.assertNotIn("error", self.host.run("ovsdb-client", "transact", DATABASE, command).stdout)

    def test_misspelt_and_stopped(self) -> None:
        """The name that is nearest; a container that has ended. People see the same as programs."""
        self.run_container("victim", "explained", command="true")
        self.docker("wait", "victim")
        done = self.ask("explain", "victm")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn('no container and no endpoint "victm"; did you mean "victim"?', done.stderr)
        self.assert_answer("victim", "Docker", "broken", 'container "victim" is exited', "docker start victim")
        shown = self.ask("explain", "victim").stdout
        self.assertIn("What to do: docker start victim", shown)

    def test_unresolved(self) -> None:
        """A subnet that Nuage does not know: while the Join waits, and after it has failed, with its calls."""
        self.create_network("misspelt", pool="10.21.77.0/24", subnet="Subnet 77")
        self._containers.append("victim")
        self.docker("create", "--name", "victim", "--net", "misspelt", IMAGE, "sleep", "1000")
        with ThreadPoolExecutor() as pool:
            start = pool.submit(self.refused, "start", "victim")
            wait_until("its Join waits", self.waits, 5)
            self.assert_answer("victim", "resolution", "waiting", 'subnet "Subnet 77"', "")
            answer = self.explained("victim")["answer"]
            self.assertIn("the Join waits 10 s for it", answer["text"])
            message = start.result()
        self.assertIn("did not resolve the port", message)
        self.assert_answer("victim", "Docker", "broken", "the VRS did not resolve the port within 10 s", "docker start")
        outcomes = {call["method"]: call["outcome"] for call in self.explained("victim")["calls"]}
        self.assertEqual(outcomes["NetworkDriver.Join"], "failed")

    def waits(self) -> bool:
        """Tell whether the VRS has been told of the victim."""
        return any(row["nuage_network"] == "Subnet 77" for row in self.rows("Nuage_Port_Table"))

    def test_archive_and_topology(self) -> None:
        """They have what is on a real host, and the archive can be read by its owner only."""
        self.run_container("victim", "explained", "--label=password=hidden-label")
        path = self.host.folder / "diagnosis.tar.gz"
        self.addCleanup(path.unlink, missing_ok=True)
        done = self.ask("diagnose", "--output", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        with tarfile.open(path) as archive:
            texts = {Path(member.name).name: _text(archive, member) for member in archive.getmembers()}
        endpoint = self.endpoint_id("victim", "explained")
        for name, part in (
            ("rows.json", endpoint),
            ("links.json", f"nu{endpoint[:13]}"),
            ("docker-networks.json", "explained"),
            ("status.json", "victim"),
            ("audit.json", '"would"'),
            ("log.txt", "NetworkDriver.Join"),
            ("configuration.json", '"VrsBridge": "alubr0"'),
        ):
            self.assertIn(part, texts[name])
        self.assertNotIn("hidden-label", "".join(texts.values()))
        self.assertEqual(self.ask("diagnose", "--output", path).returncode, 64)
        tree = self.ask("topology").stdout
        for part in ("organization Enterprise", "zone Zone", "subnet Subnet 2", "victim", "resolved"):
            self.assertIn(part, tree)
        self.assertIn("victim", self.ask("topology", "--svg").stdout)


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = archive.extractfile(member)
    assert file is not None
    return file.read().decode()


class LateTests(DisturbedTestCase, ExplainingTestCase):
    """A policy group by a label that Docker does not tell in time: these tests are about label_policy "late"."""

    configuration: Mapping[str, object] = {"label_policy": "late"}

    def test_policy_group_that_comes_late(self) -> None:
        """While Docker does not answer the plugin, that is named first; then the group, and that it came late."""
        self.create_network("late")
        self.configure(**self.configuration, DockerEndpoint="unix:///run/nobody.sock")
        self.run_container("jailed", "late", "--label=nuage.policy-group=quarantine")
        # Nobody has told the plugin the container's name.
        endpoint = self.endpoint_id("jailed", "late")
        self.assertIn("give the id of its endpoint", self.ask("explain", "jailed").stderr)
        self.assert_answer(endpoint, "Docker", "unknown", "no answer", "correct DockerEndpoint")
        policy = self.explained(endpoint)["stages"][-1]
        self.assertEqual((policy["name"], policy["verdict"]), ("policy", "unknown"))
        self.configure(**self.configuration)
        wait_until("the VRS knows its name", lambda: self.is_named("jailed"), 20)
        self.assertIn('policy group "quarantine", from a label of the container; Docker told', self.policy("jailed"))

    def is_named(self, container: str) -> bool:
        """Tell whether the VRS knows a container by its name."""
        return any(row["vm_name"] == container for row in self.rows("Nuage_VM_Table"))

    def policy(self, container: str) -> str:
        """Return what is said of the policy of a container with which all is well."""
        return self.assert_well(container)["policy"]
