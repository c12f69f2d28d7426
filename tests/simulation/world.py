"""The world of one daemon: around the real one a switch, a kernel and a Docker host that are made of code."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs

import lab
from lab.vrs.topology_file import load
from nuage.config.settings import Config
from nuage.service.ending import GRACE
from nuage.service.machine import Machine
from tests.simulation import deeds, installation, invariants, strangers
from tests.simulation.always import Guard
from tests.simulation.chance import Chance
from tests.simulation.daemon import DaemonProcess, make_room
from tests.simulation.database.server import Database
from tests.simulation.docker.docker import Docker
from tests.simulation.docker.dockerd import Settings
from tests.simulation.docker.releases import RELEASES
from tests.simulation.faults import FAULTS, NO_DELAYS, Delays, contradictions, schemas
from tests.simulation.faults.fault import Missed
from tests.simulation.held_socket import HeldSocket
from tests.simulation.history import History
from tests.simulation.kernel import Kernel
from tests.simulation.namespaces import KernelNamespaces
from tests.simulation.netlink import Netlinks
from tests.simulation.places import Places
from tests.simulation.plan import Step
from tests.simulation.promises import Promises
from tests.simulation.reactor import SimReactor
from tests.simulation.states import state
from tests.simulation.switch_daemon import SwitchDaemon
from tests.simulation.threads import Threads
from tests.simulation.vrs_agent import VrsAgent
from tests.simulation.vsd.share import Share

#: The Unix time at which each world begins.
_BEGINNING = 1_700_000_000.0
#: Seconds until the switch is as it stays, before anything is done to it.
_INSTALLATION = 10.0
#: Part of the worlds whose containers outlive dockerd.
_LIVE_RESTORE = 0.4
#: Seconds from one audit to the next; in a part of the worlds they come so seldom that they hide nothing for long.
INTERVALS, _SELDOM, _SELDOM_AUDITED = (1.0, 5.0, 30.0), 300.0, 0.15
#: Part of the worlds in which systemd holds the socket that Docker calls.
_HELD = 0.2
#: What a database server may not know: the newer forms of monitors.
_UNKNOWN = ((), (), ("monitor_cond_since",), ("monitor_cond_since", "monitor_cond"))
#: Part of the worlds whose database is reached over TCP, as that of a switch elsewhere.
_OVER_TCP = 0.2
_TOPOLOGY = load(Path(lab.__file__).with_name("topology.yaml"))


class World:
    """All parts, put together and not yet begun.

    Args:
        reactor: That of the host; each process gets one of its own.
        chance: Draws everything.
        history: Is told what happens.
        delays: By how much the daemon's answers may be late because of what is done to it.
        vsd: What the host has of a VSD, if there is one.
        name: The name of the host.
        intervals: Seconds from one audit to the next, of which it has one, as a rule.

    Attributes:
        begun: When its servers were started, in seconds of the world.
        faults_end: When the last fault is over, likewise.
        clock_error: Seconds by which the time of day is wrong.
        spoilt_records: The keys of the records that hands have removed or spoilt.
        number: Which of the hosts it is, from 0 on.
        lacking: The columns that the VRS lacks, by their tables: it may be an older one.
        cut_off: The links that a hand has deleted: their containers have none until they are started again.
        held: What systemd holds of the daemon's, if it does.
        threads: Those of the daemon that was started last.
    """

    def __init__(
        self,
        reactor: SimReactor,
        chance: Chance,
        history: History,
        delays: Delays = NO_DELAYS,
        *,
        vsd: Share | None = None,
        name: str = "host",
        intervals: Sequence[float] = INTERVALS,
    ) -> None:
        self.chance = chance
        self.history = history
        self.reactor = reactor
        self.vsd = vsd
        self.name = name
        self.number = 0 if vsd is None else vsd.number
        settings = chance.part("settings")
        config = Config(
            vrs_endpoint=_place_of_database(chance.part("place"), self.number),
            scope="local",
            label_policy=settings.pick(("strict", "strict", "late")),
            audit_interval=_audit_interval(chance, settings, intervals),
            resolve_timeout=settings.pick((10.0, 10.0, 10.0, 0.0)),
        )
        self.config = config if vsd is None else attrs.evolve(config, **vsd.configuration)
        self.begun, self.faults_end, self.clock_error = 0.0, -math.inf, 0.0
        #: Names of networks that Docker has lost, and of which the switch has no record that can be read. Nobody knows
        #: any more that addresses are held for them.
        self.lost_networks: set[str] = set()
        #: When a hand changed a link last.
        self.links_touched = -math.inf
        self.spoilt_records: set[str] = set()
        self.cut_off: set[str] = set()
        self.threads: Threads | None = None
        self.kernel = Kernel(self.reactor, chance.part("kernel"), self.history)
        self.database_process = self.reactor.spawn("ovsdb-server")
        self.database = Database(self.database_process, chance.part("database"), self.history, self.config.vrs_endpoint)
        self.switch_daemon = SwitchDaemon(
            self.reactor,
            chance.part("switch"),
            self.history,
            self.database,
            lambda name: self.kernel.find(name) is not None,
        )
        self.database.unknown = settings.pick(_UNKNOWN)
        self.lacking = schemas.draw_older(chance.part("schema"))
        self.database.told_schema = schemas.without(self.lacking)
        self.kernel.watch(self.switch_daemon.device_changed)
        policy = Places(_TOPOLOGY) if vsd is None else vsd.controller
        self.vrs_agent = VrsAgent(self.reactor, chance.part("vrs"), self.history, self.database, policy, name)
        if vsd is not None:
            vsd.controller.watch(self.vrs_agent.look)
        held = chance.part("systemd").happens(_HELD)
        self.held = HeldSocket(self.reactor, self.config.plugin_socket) if held else None
        dockerd = Settings(
            release=settings.pick(tuple(RELEASES.values())),
            live_restore=settings.happens(_LIVE_RESTORE),
            deadline=self.config.call_timeout + GRACE + delays.answers + (delays.outages if held else 0.0),
            heard=self._heard,
        )
        self.namespaces = KernelNamespaces(self.kernel)
        self.docker = Docker(self.reactor, chance.part("docker"), self.history, dockerd, self.namespaces)
        self._guard = Guard(
            self.reactor.seconds,
            self.history,
            database=self.database,
            kernel=self.kernel,
            docker=self.docker,
            namespaces=self.namespaces,
            last_call=lambda endpoint_id: self.promises.last_call(endpoint_id),
            cut_off=self.cut_off,
        )
        self.promises = Promises(self)
        self.daemon = DaemonProcess(self.reactor, self.config, self._machine, chance.part("daemon"), self.history)

    def begin(self) -> None:
        """Install and start everything."""
        self.database.start()
        installation.make_switch(self.database)
        installation.make_bridge(self.database)
        strangers.add_links(self.kernel)
        strangers.add_rows(self.database, self.number)
        if self.vsd is not None:
            strangers.bind_address(self.vsd.vsd, self.number)
        self.switch_daemon.start()
        self.reactor.run_for(_INSTALLATION)
        self.start_daemon()
        self.docker.start_dockerd()
        self.begun = self.reactor.seconds()

    def start_daemon(self) -> None:
        """Start the daemon, unless it runs; what Docker calls it by comes first if systemd holds that."""
        if self.held is not None:
            self.held.start()
        self.daemon.start()

    def carry_out(self, step: Step) -> None:
        """Do what a step of a plan says."""
        self.note(str(step))
        if step.deed in FAULTS:
            self.fault_lasts(0.0)
        kind = "fault" if step.deed in FAULTS else "command"
        try:
            deeds.DEEDS[step.deed](self, *step.arguments)
        except Missed:
            kind = "missed"
        self.history.count(f"{kind} {step.deed}")

    def probe(self) -> None:
        """Start a container in each network, and all that do not run: nothing is wrong any more, so they start."""
        self.note("a container is started in each network, and all that do not run")
        for container in list(self.docker.store.containers.values()):
            if not container.running:
                self.docker.start(container.name)
        for network in self.docker.store.known_networks:
            if contradictions.is_wrong(network):
                continue
            probe = self.docker.run(f"probe-{network.name}", network.name)
            probe.addCallback(partial(invariants.check_probe, self, network.name))

    def remove_containers(self) -> None:
        """Remove all containers."""
        self.note("all is removed")
        for container in list(self.docker.store.containers.values()):
            self.docker.remove(container.name)

    def disconnect_left(self) -> None:
        """Take what containers have left behind out of their networks, as a person has to."""
        for endpoint in list(self.docker.left_behind()):
            self.docker.disconnect(endpoint.network.name, endpoint.name, force=True)

    def remove_networks(self) -> None:
        """Remove all networks."""
        for network in self.docker.store.known_networks:
            self.docker.remove_network(network.name)

    def note(self, what: str) -> None:
        """Add what happens to the history."""
        self.history.add(self.reactor.seconds(), "world", what)

    def fault_lasts(self, seconds: float) -> None:
        """Take note of a fault that is over so many seconds from now."""
        self.faults_end = max(self.faults_end, self.reactor.seconds() + seconds)

    def _heard(
        self, method: str, request: Mapping[str, Any] | None, began: float, content: Mapping[str, Any] | None, why: str
    ) -> None:
        """See tests.simulation.promises.Promises.answered."""
        self.history.count(f"state {state(self, method, request, answered=content is not None)}")
        self.promises.answered(method, request, began, content, why)

    def _machine(self, reactor: SimReactor, chance: Chance) -> Machine:
        threads = self.threads = Threads(reactor, chance.part("threads"))
        return Machine(
            open_netlink=Netlinks(self.kernel, threads.between).open,
            make_pool=threads.make_pool,  # type: ignore[arg-type]
            passed_sockets=lambda *_: {} if self.held is None else {"plugin_socket": self.held.passed_to(reactor)},
            make_room=lambda _key, path: make_room(self.reactor, path),
            time_of_day=lambda: _BEGINNING + self.clock_error + reactor.seconds(),
            random=random.Random(chance.bits(64)),
            host_name=self.name,
            process_id=lambda: 4711,
        )


def _audit_interval(chance: Chance, settings: Chance, intervals: Sequence[float]) -> float:
    """Draw it, so that a world keeps what else it has."""
    usual = settings.pick(intervals)
    return _SELDOM if chance.part("seldom audited").happens(_SELDOM_AUDITED) else usual


def _place_of_database(chance: Chance, number: int) -> str:
    """Draw where the switch's database is, as an OVS connection method; each host has a switch of its own."""
    return f"tcp:10.0.0.{number + 1}:6640" if chance.happens(_OVER_TCP) else "unix:/var/run/openvswitch/db.sock"
