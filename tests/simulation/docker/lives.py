"""Drawn sequences of commands, which make sense most of the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.simulation.chance import Chance
from tests.simulation.docker.docker import Docker
from tests.simulation.docker.small_plugin import GATEWAYS_OPTION, REFUSED_ENDPOINT, REFUSED_JOIN, REFUSED_OPTION

#: What networks are created with, by their names.
NETWORKS: dict[str, tuple[str, ...]] = {
    "m": ("--subnet=10.30.0.0/24", "--gateway=10.30.0.1", "--aux-address=one=10.30.0.2"),
    "h": ("--subnet=10.30.1.0/24", "--ip-range=10.30.1.64/28"),
    "i": ("--subnet=10.30.2.0/24", "--internal"),
    "v": ("--subnet=10.30.3.0/24", "--subnet=fd00:30::/64", "--ipv6"),
    "p": (),
    "s": ("--subnet=10.30.6.0/24", "--subnet=fd00:36::/64", "--ipv6", f"-o={GATEWAYS_OPTION}=6"),
    "t": ("--subnet=10.30.7.0/24", f"-o={GATEWAYS_OPTION}=none"),
    "r": ("--ipam-driver=small", "--subnet=10.30.5.0/24", "--ipam-opt=shape=round"),
}
_CONTAINERS = ("k1", "k2", "k3", "k4")
#: How often a command is drawn without a look at whether it can succeed.
_NONSENSE = 0.1
_IMAGE = ("busybox:local", "sleep", "1000")


class Life:
    """Draws one command after the other.

    Args:
        chance: Draws them.
        docker: What has happened so far.
        driver: The driver of all networks.
    """

    def __init__(self, chance: Chance, docker: Docker, driver: str) -> None:
        self._chance = chance
        self._docker = docker
        self._driver = driver
        self._drawers: Sequence[Callable[[], Sequence[str] | None]] = (
            *(self._create_network,) * 3,
            self._remove_network,
            *(self._run,) * 5,
            self._create,
            *(self._start,) * 2,
            self._stop,
            self._kill,
            self._restart,
            *(self._remove,) * 2,
            self._rename,
            *(self._connect,) * 4,
            *(self._disconnect,) * 3,
        )

    def next(self) -> Sequence[str]:
        """Return the words of the next command."""
        while True:
            words = self._chance.pick(self._drawers)()
            if words is not None:
                return words

    def _create_network(self) -> Sequence[str] | None:
        name = self._one([each for each in NETWORKS if self._docker.network(each) is None], list(NETWORKS))
        if name is None:
            return None
        refused = (f"-o={REFUSED_OPTION}=yes",) if self._chance.happens(0.1) else ()
        return ("network", "create", f"--driver={self._driver}", *NETWORKS[name], *refused, name)

    def _remove_network(self) -> Sequence[str] | None:
        empty = [each.name for each in self._docker.store.known_networks if not each.endpoints]
        name = self._one(empty, list(NETWORKS))
        return None if name is None else ("network", "rm", name)

    def _run(self) -> Sequence[str] | None:
        return self._made("run", "-d")

    def _create(self) -> Sequence[str] | None:
        return self._made("create")

    def _made(self, *command: str) -> Sequence[str] | None:
        name = self._one([each for each in _CONTAINERS if self._docker.container(each) is None], _CONTAINERS)
        network = self._network()
        if name is None or network is None:
            return None
        mac = ("--mac-address=7a:42:00:00:00:01",) if self._chance.happens(0.2) else ()
        return (*command, f"--name={name}", f"--network={network}", *self._address(network), *mac, *_IMAGE)

    def _start(self) -> Sequence[str] | None:
        return self._on("start", running=False)

    def _stop(self) -> Sequence[str] | None:
        return self._on("stop", "--time=0", running=True)

    def _kill(self) -> Sequence[str] | None:
        return self._on("kill", running=True)

    def _restart(self) -> Sequence[str] | None:
        return self._on("restart", "--time=0", running=True)

    def _remove(self) -> Sequence[str] | None:
        return self._on("rm", "-f", running=self._chance.happens(0.5))

    def _rename(self) -> Sequence[str] | None:
        words = self._on("rename", running=self._chance.happens(0.7))
        return None if words is None else (*words, self._chance.pick(_CONTAINERS))

    def _connect(self) -> Sequence[str] | None:
        network = self._network()
        words = self._on("connect", running=self._chance.happens(0.8))
        if network is None or words is None:
            return None
        options = ("--driver-opt=colour=red",) if self._chance.happens(0.2) else ()
        return ("network", "connect", *self._address(network), *options, network, words[1])

    def _disconnect(self) -> Sequence[str] | None:
        words = self._on("disconnect", running=self._chance.happens(0.8))
        if words is None:
            return None
        container = self._docker.container(words[1])
        network = self._one(list(container.attachments) if container else [], list(NETWORKS))
        return None if network is None else ("network", "disconnect", network, words[1])

    def _on(self, *command: str, running: bool) -> Sequence[str] | None:
        fitting = [each.name for each in self._docker.store.containers.values() if each.running is running]
        name = self._one(fitting, _CONTAINERS)
        return None if name is None else (*command, name)

    def _network(self) -> str | None:
        return self._one([each.name for each in self._docker.store.known_networks], list(NETWORKS))

    def _address(self, network: str) -> Sequence[str]:
        subnets = [each for each in NETWORKS[network] if each.startswith("--subnet=10.")]
        if not subnets or not self._chance.happens(0.4):
            return ()
        start = subnets[0].partition("=")[2].rpartition(".")[0]
        last = self._chance.pick((REFUSED_ENDPOINT, REFUSED_JOIN, 70, 71, 72))
        return (f"--ip={start}.{last}",)

    def _one(self, fitting: Sequence[str], others: Sequence[str]) -> str | None:
        """Draw one of those that fit, or seldom any; None if there is none."""
        choices = others if self._chance.happens(_NONSENSE) else fitting
        return self._chance.pick(choices) if choices else None
