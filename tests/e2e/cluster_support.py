"""Two Docker hosts that share their networks through a cluster store."""

from __future__ import annotations

import shutil
import signal
import tempfile
from functools import cache
from pathlib import Path

import attrs

from lab.etcd import PROGRAM, Etcd
from lab.pair import Pair
from lab.shell import wait_until
from tests.e2e.host_support import demand_programs, marks, of_this_run
from tests.e2e.topology_support import Place, TopologyTestCase

ROOT = Path(tempfile.gettempdir()) / "nuage-e2e-clusters"
CONFIGURATION = {"Scope": "global", "audit_interval": 1.0}


class Cluster:
    """A pair of hosts and the store that their Docker daemons share.

    Args:
        name: Begins the names of the hosts.
    """

    def __init__(self, name: str) -> None:
        self._folder = ROOT / name
        names = (f"{name}-a", f"{name}-b")
        self.pair = Pair(names, f"{name}-fabric", self._folder / "pair", Etcd.docker_args)
        self.store = Etcd(self.pair.fabric, self._folder)

    def start(self) -> None:
        """Start everything."""
        self.remove()
        self.pair.prepare()
        self.store.start()
        self.pair.boot(**CONFIGURATION)

    def remove(self) -> None:
        """End everything and remove all files."""
        self.pair.remove()
        self.store.stop()
        if self._folder.exists():
            shutil.rmtree(self._folder)


@cache
def _cluster() -> Cluster:
    cluster = of_this_run(ROOT, "c", Cluster)
    cluster.start()
    return cluster


class ClusterTestCase(TopologyTestCase):
    """A test on the cluster. A network is made on host a, and is there on host b as well."""

    configuration = CONFIGURATION

    def demand_pair(self) -> Pair:
        """Return the pair of the cluster, which is started for the first test and ended when the tests are over."""
        demand_programs(PROGRAM)
        self.store = _cluster().store
        return _cluster().pair

    def setUp(self) -> None:
        """Remember how the hosts look."""
        super().setUp()
        self._before = {letter: marks(host) for letter, host in self.hosts.items()}

    def tearDown(self) -> None:
        """Have both hosts look as before: the plugin of each forgets networks that were removed on the other."""
        super().tearDown()
        for letter, host in self.hosts.items():
            self.audit(letter)
            wait_until(f"nothing is left on host {letter}", lambda h=host, b=self._before[letter]: marks(h) == b, 15)  # type: ignore[misc]

    def make_network(self, place: Place) -> None:
        """Make the network of a place on host a, unless it is there."""
        super().make_network(attrs.evolve(place, host="a"))

    def docker(self, letter: str, *words: str) -> str:
        """Run a docker command on a host, and return what it prints, without the newline at its end."""
        return self.hosts[letter].docker(*words).stdout.strip()

    def refused(self, letter: str, *words: str) -> str:
        """Run a docker command on a host that has to fail, and return its message."""
        done = self.hosts[letter].docker(*words, check=False)
        self.assertNotEqual(done.returncode, 0, f"{words} should have been refused")
        return done.stderr.strip()

    def id_of(self, place: Place) -> str:
        """Return the id of the network of a place, as the place's host has it."""
        return self.docker(place.host, "network", "inspect", "-f", "{{.Id}}", place.network)

    def shows(self, place: Place) -> bool:
        """Tell whether Docker on the place's host lists the place's network."""
        return place.network in self.docker(place.host, "network", "ls", "--format={{.Name}}").split()

    def knows(self, letter: str, network_id: str) -> bool:
        """Tell whether the plugin on a host has a record of a network."""
        return any(key.endswith(network_id) for key in marks(self.hosts[letter])["records"])

    def audit(self, letter: str) -> None:
        """Have the plugin on a host audit now: where no container is attached it does not ask Docker by itself."""
        self.hosts[letter].plugin.process.send(signal.SIGUSR2)

    def restart_plugin(self, letter: str) -> None:
        """End the plugin on a host and start it again."""
        plugin = self.hosts[letter].plugin
        plugin.stop()
        plugin.start()
        plugin.wait()
