"""What happens to whom the daemon talks to: the switch's database and daemon, the VRS's agent, Docker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tests.simulation import installation, strangers
from tests.simulation.chance import Chance
from tests.simulation.database.server import Unavailable
from tests.simulation.faults import hands
from tests.simulation.faults.fault import Fault, Missed, demand, lasting, one_of, some_seconds

if TYPE_CHECKING:
    from tests.simulation.network import Port
    from tests.simulation.world import World

#: The servers that the daemon talks to, and the daemon as Docker's server.
_DATABASE = "/var/run/openvswitch/db.sock"
_SERVERS = (_DATABASE, "/var/run/docker.sock")
_SOCKETS = (*_SERVERS, "/run/docker/plugins/nuage.sock")


def cut(world: World, path: str, which: float) -> None:
    """Cut one of the connections to a server, at whatever byte it is."""
    port = _port(world, path)
    # Systemd keeps those of a dead daemon.
    one_of(which, [] if port is None else [end for end in port.connections if end.connected]).cut()


def slow_down(world: World, path: str, pace: float, seconds: float) -> None:
    """Have all bytes to and from a server take longer."""

    def set_pace(pace: float) -> None:
        port = _port(world, path)
        if port is not None:
            port.change_pace(pace)

    set_pace(pace)
    _undo(world, seconds, lambda: set_pace(1.0))
    port = world.reactor.port(path)
    demand(port is not None and port.accepting)


def stop_database(world: World, seconds: float, empty: bool) -> None:
    """End the database's server for some seconds. One that lost everything gets its bridge back after as many more."""
    demand(world.database.serving)
    world.database.stop()
    if empty:
        with world.promises.by_hand():
            world.database.clear()

    def start() -> None:
        start_database(world)
        if empty:
            _undo(world, seconds, lambda: make_bridge(world))

    _undo(world, seconds, start)
    world.fault_lasts(2 * seconds)


def start_database(world: World) -> None:
    """Start the database's server, unless it runs. The bridge is made later if there is none."""
    if not world.database.serving:
        world.database.start()
        installation.make_switch(world.database)


def make_bridge(world: World) -> None:
    """Make the bridge with what others have there, unless it is there; later if the database is away."""
    try:
        installation.make_switch(world.database)
        if not world.database.store.rows("Bridge"):
            installation.make_bridge(world.database)
            strangers.put_back(world.database, world.number)
    except Unavailable:
        _undo(world, 1.0, lambda: make_bridge(world))


def hang_database(world: World, seconds: float) -> None:
    """Have the database's server do nothing for some seconds."""
    demand(world.database.available)
    world.database.hang()
    _undo(world, seconds, world.database.resume)


def silence_database(world: World) -> None:
    """Have the database's server tell those who are connected of no more changes."""
    demand(world.database.available)
    world.database.fall_silent()


def delay_updates(world: World, seconds: float) -> None:
    """Have the database's server tell of changes late, and of several at once, for some seconds."""
    usual = world.database.telling_delay
    demand(usual != _LATE)
    world.database.telling_delay = _LATE
    _undo(world, seconds, lambda: setattr(world.database, "telling_delay", usual))


def convert_schema(world: World) -> None:
    """Give the database another schema, as an upgrade of the switch does."""
    demand(world.database.available)
    table = "Nuage_Port_Table"
    number = len(world.database.store.schema.tables[table].columns)
    world.database.convert(table, f"column_{number}", {"type": "string"})


def stop_switch_daemon(world: World, seconds: float) -> None:
    """End ovs-vswitchd for some seconds."""
    demand(world.switch_daemon.running)
    world.switch_daemon.stop()
    _undo(world, seconds, lambda: start_switch_daemon(world))


def start_switch_daemon(world: World) -> None:
    """Start ovs-vswitchd, unless it runs."""
    if not world.switch_daemon.running:
        world.switch_daemon.start()


def hang_switch_daemon(world: World, seconds: float) -> None:
    """Have ovs-vswitchd do nothing for some seconds."""
    world.switch_daemon.hang()
    _undo(world, seconds, world.switch_daemon.resume)
    demand(world.switch_daemon.running)


def lose_controller(world: World, seconds: float) -> None:
    """Cut the VRS off its controller."""
    world.switch_daemon.lose_controller()
    world.vrs_agent.lose_controller()

    def find() -> None:
        world.switch_daemon.find_controller()
        world.vrs_agent.find_controller()

    _undo(world, seconds, find)


def hang_agent(world: World, seconds: float) -> None:
    """Have the VRS's agent do nothing for some seconds."""
    world.vrs_agent.hang()
    _undo(world, seconds, world.vrs_agent.resume)


def kill_dockerd(world: World, seconds: float) -> None:
    """Kill dockerd, and start it again some seconds later."""
    running = world.docker.dockerd is not None
    if running:
        world.docker.kill_dockerd()
    _undo(world, seconds, lambda: start_dockerd(world))
    demand(running)


def lose_docker_data(world: World, seconds: float) -> None:
    """Lose all that Docker has, containers included; it starts some seconds later with nothing.

    Whoever does that has the daemon audit afterwards: by itself it does not audit a host without containers.
    """
    if world.docker.dockerd is not None:
        world.docker.kill_dockerd()
    world.lost_networks |= hands.unrecorded(world)
    world.docker.lose_data()
    _undo(world, seconds, lambda: start_dockerd(world))
    _undo(world, seconds + _STARTING, world.daemon.audit)


def stop_dockerd(world: World, seconds: float) -> None:
    """End dockerd in order, and start it again some seconds later."""
    dockerd = world.docker.dockerd
    if dockerd is None or dockerd.containers.shutting_down:
        raise Missed
    ended = world.docker.stop_dockerd()
    ended.addCallback(lambda _: _undo(world, seconds, lambda: start_dockerd(world)))
    world.fault_lasts(_LONGEST_END + seconds)


def freeze_dockerd(world: World, seconds: float) -> None:
    """Stop dockerd as SIGSTOP does."""
    dockerd = world.docker.dockerd
    if dockerd is None:
        raise Missed
    dockerd.reactor.freeze()
    _undo(world, seconds, dockerd.reactor.thaw)


def start_dockerd(world: World) -> None:
    """Start dockerd, unless it runs."""
    if world.docker.dockerd is None:
        world.docker.start_dockerd()


def _port(world: World, path: str) -> Port | None:
    """Return who takes the connections of a server, wherever the database is."""
    return world.database.port if path == _DATABASE else world.reactor.port(path)


def _undo(world: World, seconds: float, undo: Callable[[], object]) -> None:
    world.reactor.callLater(seconds, undo)
    world.fault_lasts(seconds)


def _cut(chance: Chance) -> tuple[str, float]:
    return chance.pick(_SOCKETS), chance.fraction()


def _slow(chance: Chance) -> tuple[str, float, float]:
    return chance.pick(_SERVERS), chance.pick((10.0, 100.0, 2000.0)), some_seconds(chance)


#: Seconds until late updates come.
_LATE = (0.5, 3.0)
#: Seconds that dockerd may take to end.
_LONGEST_END = 60.0
#: Seconds within which dockerd has started.
_STARTING = 15.0

FAULTS: Mapping[str, Fault] = {
    "connection cut": Fault(do=cut, draw=_cut, weight=6),
    "server slow": Fault(do=slow_down, draw=_slow, weight=2),
    "database away": Fault(do=stop_database, draw=lambda chance: (some_seconds(chance), False), weight=3),
    "database empty": Fault(do=stop_database, draw=lambda chance: (some_seconds(chance), True)),
    "database hangs": Fault(do=hang_database, draw=lasting, weight=2),
    "database silent": Fault(do=silence_database),
    "database converted": Fault(do=convert_schema),
    "updates late": Fault(do=delay_updates, draw=lasting),
    "switch daemon away": Fault(do=stop_switch_daemon, draw=lasting, weight=2),
    "switch daemon hangs": Fault(do=hang_switch_daemon, draw=lasting),
    "controller lost": Fault(do=lose_controller, draw=lasting, weight=2),
    "agent hangs": Fault(do=hang_agent, draw=lasting, weight=2),
    "dockerd killed": Fault(do=kill_dockerd, draw=lasting, weight=3),
    "Docker's data lost": Fault(do=lose_docker_data, draw=lasting),
    "dockerd stopped": Fault(do=stop_dockerd, draw=lasting, weight=2),
    "dockerd frozen": Fault(do=freeze_dockerd, draw=lasting, delays=lambda seconds: seconds),
}
