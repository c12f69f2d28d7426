"""What hands do that is worse than the removal of one row: they spoil marks, links, names, and the whole bridge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nuage.links.veth import GROUP
from nuage.names import LINK_MARK, container_end_name, port_name
from nuage.vrs.tables import RECORD
from tests.simulation import installation, truth
from tests.simulation.chance import Chance
from tests.simulation.database.rows import Change
from tests.simulation.database.server import Unavailable
from tests.simulation.faults.fault import Fault, some_seconds
from tests.simulation.faults.hands import endpoint_ports, kept, of_lost_networks, transact
from tests.simulation.faults.servers import make_bridge

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Seconds within which an endpoint has to be made for its names to be taken.
_SOON = 30.0


def strip_marks(world: World, table: str, which: float) -> None:
    """``ovs-vsctl clear TABLE PORT external_ids``, or the removal of the record alone."""
    names = sorted(endpoint_ports(world))
    if names:
        where = [["name", "==", names[int(which * len(names))]]]
        if table == "record":
            mutation = ["external_ids", "delete", ["set", [RECORD]]]
            transact(world, {"op": "mutate", "table": "Interface", "where": where, "mutations": [mutation]})
        else:
            transact(world, {"op": "update", "table": table, "where": where, "row": {"external_ids": ["map", []]}})


def remove_bridge(world: World, seconds: float) -> None:
    """``ovs-vsctl del-br``, and ``add-br`` some seconds later: with the bridge goes what is kept there."""
    lost = of_lost_networks(world, kept(world))
    try:
        with world.promises.by_hand():
            installation.remove_bridge(world.database)
    except Unavailable:
        world.note("the hand finds no database")
        return
    world.spoilt_records |= lost
    world.reactor.callLater(seconds, make_bridge, world)
    world.fault_lasts(seconds)


def take_name(world: World, at_host: bool, seconds: float) -> None:
    """Have somebody else make a link that is called as one of the next endpoint's is to be, for some seconds."""
    end, taken = world.reactor.seconds() + _SOON, False

    def look(changes: Sequence[Change]) -> None:
        nonlocal taken
        before = {each for change in changes for each in truth.marked(change.table, change.old)}
        now = {each for change in changes for each in truth.marked(change.table, change.new)}
        if now - before and not taken and world.reactor.seconds() < end:
            taken = True
            endpoint_id = min(now - before)
            _occupy(world, port_name(endpoint_id) if at_host else container_end_name(endpoint_id), seconds)

    world.database.watch(look)
    world.fault_lasts(_SOON + seconds)


def delete_link(world: World, which: float) -> None:
    """``ip link del``: the container has no network until it is started again."""
    ours = [link for link in world.kernel.links() if link.group == GROUP]
    if ours:
        link = ours[int(which * len(ours))]
        # A hand may have given it another name, or no alias any more.
        world.cut_off |= {link.name, port_name(link.alias.removeprefix(LINK_MARK))}
        world.links_touched = world.reactor.seconds()
        world.kernel.link("del", index=link.index)


def set_mtu(world: World, which: float, mtu: int, seconds: float) -> None:
    """``ip link set DEVICE mtu``, and the same with the former value some seconds later."""
    ours = [link for link in world.kernel.links() if link.group == GROUP]
    if ours:
        link = ours[int(which * len(ours))]
        _set_mtu(world, link.index, mtu)
        world.reactor.callLater(seconds, _set_mtu, world, link.index, link.mtu)
        world.fault_lasts(seconds)


def _set_mtu(world: World, index: int, mtu: int) -> None:
    if any(link.index == index and link.group == GROUP for link in world.kernel.links()):
        world.kernel.link("set", index=index, mtu=mtu)


def _occupy(world: World, name: str, seconds: float) -> None:
    if world.kernel.find(name) is None:
        world.kernel.link("add", ifname=name, kind="dummy")
        world.reactor.callLater(seconds, _vacate, world, name)


def _vacate(world: World, name: str) -> None:
    link = world.kernel.find(name)
    if link is not None and link.peer is None:
        world.kernel.link("del", index=link.index)


def _strip(chance: Chance) -> tuple[str, float]:
    return chance.pick(("Interface", "Port", "record")), chance.fraction()


FAULTS: Mapping[str, Fault] = {
    "marks stripped": Fault(do=strip_marks, draw=_strip, weight=3),
    "bridge removed": Fault(do=remove_bridge, draw=lambda chance: (some_seconds(chance),)),
    "name taken": Fault(do=take_name, draw=lambda chance: (chance.happens(0.5), some_seconds(chance)), weight=3),
    "link deleted": Fault(do=delete_link, draw=lambda chance: (chance.fraction(),)),
    "link MTU set": Fault(
        do=set_mtu, draw=lambda chance: (chance.fraction(), chance.pick((1300, 9000)), some_seconds(chance))
    ),
}
