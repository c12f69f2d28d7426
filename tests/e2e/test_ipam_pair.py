"""Two hosts that take addresses of one subnet from the VSD, beside whoever else does."""

from __future__ import annotations

import contextlib
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from vspk import v6

from lab.host import Host
from lab.sdk import provider
from lab.shell import NeverHappened, wait_until
from tests.e2e.disturbance_support import rounds
from tests.e2e.ipam_support import IpamPairTestCase, Vsd, wait_for_plugin

#: How many containers both hosts start at once. TEST_CONTAINERS is for figures: 200 fill the subnet.
CONTAINERS = rounds("TEST_CONTAINERS", 40)
#: Addresses that a VM takes meanwhile, at most.
_MACHINES = 40
#: At how many of the steps the plugin is killed, on each host. TEST_STEPS of some hundred is all of them.
STEPS = rounds("TEST_STEPS", 6)
#: What kills the plugin at a step.
_KILLED_AT = Path(__file__).with_name("killed_at.py")


class ManyTests(IpamPairTestCase):
    """Many containers at once."""

    @contextlib.contextmanager
    def machine(self, subnet_name: str) -> Iterator[list[str]]:
        """Have somebody give addresses of the VSD's choice to a VM, one after the other, and yield them as they come.

        At the end they are given back.
        """
        taken: list[str] = []
        over = threading.Event()

        def take() -> None:
            with provider(self.vsc) as user:
                subnet = user.subnets.get_first(filter=f"name == '{subnet_name}'")
                made = []
                try:
                    while len(taken) < _MACHINES and not over.is_set():
                        number = len(taken)
                        vport = v6.NUVPort(name=f"machine-{number}", type="VM", address_spoofing="INHERITED")
                        subnet.create_child(vport)
                        made.append(vport)
                        interface = v6.NUVMInterface(
                            name=f"eth{number}", vmuuid="machine", mac=f"7a:43:00:00:00:{number:02x}"
                        )
                        vport.create_child(interface)
                        made.append(interface)
                        taken.append(interface.ip_address)
                    over.wait()
                finally:
                    for each in reversed(made):
                        each.delete()

        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(take)
            try:
                yield taken
            finally:
                over.set()
            working.result()

    def test_many_at_once(self) -> None:
        """Everybody has an address of his own, what runs is resolved with it, and all of it is given back."""
        for host in self.hosts:
            self.create(host, "n1")
        begin = time.monotonic()
        names = [f"c{number}" for number in range(CONTAINERS // 2)]
        with self.machine("Subnet 2") as machines:
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda host: self.run_containers(host, names, "--net=n1"), self.hosts))
            print(f"{CONTAINERS} containers and {len(machines)} of a VM: {time.monotonic() - begin:.1f} s")
            found = {host: self.addresses(host, "n1") for host in self.hosts}
            everybody = [*machines, *(address for addresses in found.values() for address in addresses)]
            self.assertEqual(len(set(everybody)), CONTAINERS + len(machines))
            self.assertGreater(len(machines), 10)
            self.assertEqual(self.vsd.held(), set(everybody) - set(machines))
            for host, addresses in found.items():
                told = [str(row["ip_addr"]) for row in host.switch.rows("Nuage_Port_Table")]
                self.assertEqual(sorted(told), sorted(addresses))
        self.remove_containers()
        # Docker lists no container any more whose address it is about to give back.
        wait_until("all addresses are given back", lambda: not self.vsd.held(), 15)
        self.remove_networks()
        self.assert_nothing_left()
        print(f"and all gone: {time.monotonic() - begin:.1f} s")


class ContainerFormTests(ManyTests):
    """The same, with addresses that are held by Containers."""

    form = "container"


class DualStackTests(IpamPairTestCase):
    """Addresses of both families."""

    def both(self, host: Host, container: str) -> tuple[str, str]:
        """Return a container's addresses."""
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}"
        four, six = host.docker("inspect", f"--format={template}", container).stdout.split()
        return four, six

    def pings(self, host: Host, container: str, address: str) -> bool:
        """Tell whether an address answers a container."""
        pinged = host.docker("exec", container, "ping", "-c1", "-W3", address, check=False)
        return pinged.returncode == 0

    def test_both_families(self) -> None:
        """Subnets, gateways and addresses of both come from the VSD; two hosts and two subnets reach each other."""
        one, two = self.hosts
        # With --ip6 an older Docker wants a --subnet.
        self.create(one, "near", "--ipv6", "--subnet=10.21.59.0/24", "--subnet=fd00:21:59::/64")
        self.create(two, "near", "--ipv6")
        self.create(two, "far", "--ipv6", subnet="Subnet 1")
        places = {"c1": (one, "near"), "c2": (two, "near"), "c3": (two, "far")}
        for name, (host, network) in places.items():
            self.run_container(host, name, f"--net={network}")
        found = {name: self.both(host, name) for name, (host, _) in places.items()}
        for name, (_, six) in found.items():
            prefix = "fd00:21:58::/64" if name == "c3" else "fd00:21:59::/64"
            self.assertIn(ip_address(six), ip_network(prefix))
        used = {address for addresses in found.values() for address in addresses}
        self.assertEqual(self.vsd.held(), used)
        for name, (host, _) in places.items():
            gateway = "fd00:21:58::1" if name == "c3" else "fd00:21:59::1"
            others = (address for other in found.keys() - {name} for address in found[other])
            for address in (gateway, *others):
                self.assertTrue(self.pings(host, name, address), f"{name} does not reach {address}")
        # Somebody else's address is refused, of IPv6 as well.
        words = ("--net=near", f"--ip6={found['c2'][1]}")
        refused = self.run_container(one, "c4", *words, check=False)
        self.assertIn(f"{found['c2'][1]} is taken", refused.stderr)
        # Docker has taken an IPv4 address before, and does not give it back. A container might be about to use it.
        self.assertEqual(len(self.vsd.held() - used), 1)

        def given_back() -> bool:
            one.plugin.ask("ipam", "check", "--release", "--yes")
            return self.vsd.held() == used

        wait_until("the IPv4 address is given back", given_back, 15)


class AloneTests(IpamPairTestCase):
    """What one does that is not done at once."""

    def test_full_subnet(self) -> None:
        """Both hosts get all there is, the next container is told that nothing is left, and what is freed is used."""
        (zone,) = (each for each in self.vsd.get("zones") if each["name"] == "Backend")
        wanted = {"name": "Small", "address": "10.21.70.0", "netmask": "255.255.255.248", "gateway": "10.21.70.1"}
        (subnet,) = self.vsd.ask("POST", f"zones/{zone['ID']}/subnets", wanted)
        self.addCleanup(self.vsd.ask, "DELETE", f"subnets/{subnet['ID']}?responseChoice=1")
        first, second = self.hosts
        for host in self.hosts:
            self.create(host, "small", zone="Backend", subnet="Small")
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: self.run_containers(host, ["c1", "c2"], "--net=small"), self.hosts))
        self.run_container(first, "c3", "--net=small")
        everybody = {*self.addresses(first, "small"), *self.addresses(second, "small")}
        self.assertEqual(everybody, {f"10.21.70.{number}" for number in range(2, 7)})
        done = self.run_container(second, "late", "--net=small", check=False)
        self.assertIn('no address is left in 10.21.70.0/29 of subnet "Small", zone "Backend"', done.stderr)
        first.docker("rm", "-f", "c3")
        second.docker("start", "late")
        self.assertEqual(len(self.addresses(second, "small")), 3)
        self.remove_containers()
        self.remove_networks()

    def test_policy_group_of_the_vport(self) -> None:
        """An administrator moves a vPort to another group: traffic follows, and no audit of a new daemon undoes it."""
        first, second = self.hosts
        for host, name in ((first, "web"), (second, "db")):
            self.create(host, "n1")
            self.run_container(host, name, "--net=n1", "--label=nuage.policy-group=web")
        (address,) = self.addresses(second, "n1")
        self.assertTrue(self.reaches(first, "web", address))
        with provider(self.vsc) as user:
            container = user.containers.get_first(filter="name == 'db'")
            (interface,) = container.container_interfaces.get()
            domain = v6.NUDomain(id=interface.domain_id)
            groups = domain.policy_groups.get()
            vport = v6.NUVPort(id=interface.vport_id)
            vport.assign([group for group in groups if group.name == "quarantine"], v6.NUPolicyGroup)
            wait_until("db is shut", lambda: not self.reaches(first, "web", address), 20)
            second.plugin.stop(signal.SIGKILL)
            self.configure(second)
            # A new daemon audits when it starts; this is another audit. What is changed is told by its log.
            second.plugin.process.send(signal.SIGUSR2)
            self.run_container(second, "later", "--net=n1")
            self.assertEqual([group.name for group in vport.policy_groups.get()], ["quarantine"])
            self.assertFalse(self.reaches(first, "web", address))
            vport.assign([group for group in groups if group.name == "web"], v6.NUPolicyGroup)
            wait_until("db is open", lambda: self.reaches(first, "web", address), 20)

    def reaches(self, host: Host, container: str, address: str) -> bool:
        """Tell whether a container gets an answer from an address."""
        return host.docker("exec", container, "ping", "-c", "1", "-w", "2", address, check=False).returncode == 0


class AwayTests(IpamPairTestCase):
    """The VSD does not do what it did a moment ago."""

    def test_keys_end(self) -> None:
        """The keys of both hosts end while containers start and stop: nobody notices."""
        for host in self.hosts:
            self.create(host, "n1")
            self.run_containers(host, [f"old{number}" for number in range(3)], "--net=n1")
        log = self.vsc.process.log
        refused = log.read_text().count(": 401")
        with ThreadPoolExecutor() as pool:
            names = [f"new{number}" for number in range(5)]
            started = [pool.submit(self.run_containers, host, names, "--net=n1") for host in self.hosts]
            wait_until("some have an address", lambda: len(self.vsd.held()) > 8, 30)
            self.vsc.expire_keys()
            for host in self.hosts:
                host.docker("rm", "-f", *(f"old{number}" for number in range(3)))
            for each in started:
                each.result()
        self.vsd = Vsd(self.vsc)
        self.assertGreaterEqual(log.read_text().count(": 401"), refused + len(self.hosts))
        found = [address for host in self.hosts for address in self.addresses(host, "n1")]
        self.assertEqual((len(found), set(found)), (10, self.vsd.held()))

    def test_killed(self) -> None:
        """What starts then is told why it cannot, what stops does, and in the end all agree.

        On one host containers start, on the other they stop, and a network is removed while the VSD is away.
        """
        starting, stopping = self.hosts
        for host in self.hosts:
            self.create(host, "n1")
        self.create(stopping, "idle", zone="Backend", subnet="Storage")
        old = [f"old{number}" for number in range(5)]
        self.run_containers(stopping, old, "--net=n1")
        with ThreadPoolExecutor(20) as pool:
            names = [f"new{number}" for number in range(8)]
            started = [pool.submit(self.run_container, starting, name, "--net=n1", check=False) for name in names]
            wait_until("some start", lambda: len(self.vsd.held()) > len(old), 30)
            stopped = pool.submit(stopping.docker, "rm", "-f", *old[:4])
            self.vsc.leave_vsd()
            stopped.result()
            stopping.docker("network", "rm", "idle")
            self._networks.remove((stopping, "idle"))
            messages = [each.result().stderr for each in started]
        failed = [message for message in messages if message]
        self.assertEqual([message for message in failed if "VSD" not in message], [])
        late = self.run_container(starting, "late", "--net=n1", check=False)
        self.assertIn("the VSD", late.stderr)
        self.vsc.come_back_vsd()
        self.vsd = Vsd(self.vsc)
        running = {*self.addresses(starting, "n1"), *self.addresses(stopping, "n1")}
        self.assertEqual(len(running), len(names) - len(failed) + 1)
        wait_until("the others are given back", lambda: self.vsd.held() == running, 60)
        starting.docker("start", "late")


class KillTests(IpamPairTestCase):
    """The plugin is killed at steps from RequestAddress to Join: before each on one host, after each on the other."""

    timeout = 900

    def test_steps(self) -> None:
        """Whatever comes of the start, what runs is connected, and nothing else is left after some time."""
        for host in self.hosts:
            self.create(host, "n1")
        steps = self.count(self.hosts[0])
        self.assertGreater(steps, 5)
        with ThreadPoolExecutor() as pool:
            cases = zip(self.hosts, ("before", "after"), strict=True)
            for each in [pool.submit(self.killed_at_each, host, moment, steps) for host, moment in cases]:
                each.result()
        self.remove_containers()
        for host in self.hosts:
            host.plugin.stop(signal.SIGKILL)
            self.start(host, age=1)
        try:
            self.assert_nothing_held()
        finally:
            for host in self.hosts:
                host.plugin.stop()
                self.configure(host)
        self.remove_networks()

    def assert_nothing_held(self) -> None:
        """Assert that what the kills left is given back."""
        with contextlib.suppress(NeverHappened):
            wait_until("all is given back", lambda: not self.vsd.held(), 20)
        self.assertEqual(self.vsd.held(), set())

    def count(self, host: Host) -> int:
        """Return how many steps there are."""
        host.plugin.stop()
        self.start(host, fatal=1000)
        # The first container after a start asks for more than others: the VSD's key, and where the subnet is.
        self.run_container(host, "first", "--net=n1")
        wait_until("the steps are counted", self.told(host).exists, 10)
        host.plugin.stop()
        return int(self.told(host).read_text())

    def killed_at_each(self, host: Host, moment: str, steps: int) -> None:
        """Start a container for each step at which the plugin is killed."""
        outcomes = []
        # Not the same ones on both hosts, nor at each run.
        chosen = sorted(random.sample(range(1, steps + 1), min(STEPS, steps)))
        for number in chosen:
            host.plugin.stop(signal.SIGKILL)
            self.start(host, fatal=number, moment=moment)
            name = f"c{number}"
            with ThreadPoolExecutor(1) as pool:
                run = pool.submit(self.run_container, host, name, "--net=n1", check=False)
                wait_until("the plugin is killed", partial(_ended, host, run), 30)
                at = self.told(host).read_text() if self.told(host).exists() else "no such step"
                if host.plugin.process.pid is None:
                    self.start(host)
                done = run.result()
            outcomes.append(f"{at}: {'started' if not done.returncode else done.stderr.strip()[-150:]}")
            if done.returncode == 0:
                told = {str(row["ip_addr"]) for row in host.switch.rows("Nuage_Port_Table")}
                self.assertEqual(set(self.addresses(host, "n1")) - told, set(), at)
                self.assertEqual(set(self.addresses(host, "n1")) - self.vsd.held(), set(), at)
        print(*outcomes, sep="\n")
        # Not each start takes equally many steps.
        self.assertGreater(sum(each.startswith(moment) for each in outcomes), len(chosen) / 2)

    def told(self, host: Host) -> Path:
        """Return the file in which the plugin says what it did."""
        return host.folder / "steps"

    def start(self, host: Host, fatal: int = 0, moment: str = "after", age: float = 0) -> None:
        """Start a plugin that kills itself at a step, and wait until it listens."""
        self.told(host).unlink(missing_ok=True)
        words = ("-n", "--pidfile=", "nuage-plugin", "--config", host.plugin.config)
        command = (sys.executable, _KILLED_AT, self.told(host), fatal, moment, age, *words)
        host.plugin.process.start(*host.namespace.inside(*command))
        wait_for_plugin(host)


def _ended(host: Host, run: Future[Any]) -> bool:
    """Tell whether a host's plugin has ended, or what it was to be killed in."""
    return host.plugin.process.pid is None or run.done()
