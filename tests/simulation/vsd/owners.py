"""Who has which address: what must hold on all hosts and at the VSD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lab.vsd.directory import CREATE, DELETE, Change, Thing
from nuage.ipam.marks import Mark
from tests.simulation import truth
from tests.simulation.docker.store import Endpoint, Network
from tests.simulation.networks import PLACES
from tests.simulation.vsd.server import Vsd

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Seconds between two looks at all hosts.
_INTERVAL = 1.0
#: The kinds of objects that hold addresses.
_HOLDERS = ("vmipreservations", "containers")

#: What the keys begin with by which the switch remembers pools and addresses that something is still to be done with.
_POOL = "nuage-pool-"
#: A subnet's ID, and an address in it.
_Address = tuple[str, str]


class Owners:
    """Sees what is held and what is used.

    Args:
        vsd: The VSD.
        worlds: All hosts.
    """

    def __init__(self, vsd: Vsd, worlds: Sequence[World]) -> None:
        self._vsd = vsd
        self._worlds = worlds
        #: Which user made what holds an address, by its ID.
        self._makers: dict[str, str] = {}
        self._twice: set[_Address] = set()
        vsd.parts.directory.watch(self._changed)
        worlds[0].reactor.callLater(_INTERVAL, self._look)

    def check(self) -> None:
        """Check that each host holds what its containers use and nothing else, and where vPorts are."""
        for world, problem in [*self.problems(), *self._moved()]:
            self._violate(world, problem)

    def check_told(self, world: World, told: Mapping[str, Any] | None) -> None:
        """Check what a daemon tells of its addresses, once all is at rest.

        Args:
            world: That of the daemon.
            told: What ``/ipam`` answers, None if it does not, which was noticed.
        """
        if told is None:
            return
        used, identity = self._used(world), _identity(world)
        held = {address for address, mark in self._held(world).items() if mark.host == identity}
        expected = {"held": held, "unused": held - used.keys(), "unheld": used.keys() - held}
        for name, addresses in expected.items():
            named = sorted((self._name_of(network), address) for network, address in addresses)
            said = sorted((each["place"]["subnet"], each["address"]) for each in told[name])
            if said != named:
                self._violate(world, f"/ipam tells that {said} are {name}, and {named} are")

    def problems(self) -> Sequence[tuple[World, str]]:
        """Return what is held and not used, or used and not held, with the host."""
        return [(world, problem) for world in self._worlds for problem in self._problems_of(world)]

    def _problems_of(self, world: World) -> Iterator[str]:
        used, held = self._used(world), self._held(world)
        for address in sorted(used.keys() - held.keys()):
            yield f"{address[1]} of {used[address].name} is not held at the VSD"
        for address in sorted(held.keys() - used.keys()):
            # What a switch held that has lost its database is nobody's any more.
            if held[address].host == _identity(world):
                yield f"{address[1]} is held at the VSD, and nobody uses it"
        for row in world.database.rows("Bridge"):
            for key in sorted(key for key in row["external_ids"] if key.startswith(_POOL)):
                yield f"the switch still remembers {row['external_ids'][key]} ({key})"

    def _look(self) -> None:
        self._worlds[0].reactor.callLater(_INTERVAL, self._look)
        users: dict[_Address, str] = {}
        for world in self._worlds:
            # Who has such a network again looks for what is held for it.
            world.lost_networks -= {network.name for network in self._networks(world)}
            for endpoint, container in world.docker.attached().items():
                if endpoint.address and endpoint.network.name in PLACES:
                    address, who = self._address(endpoint), f"{container.name} of {world.name}"
                    if address in users and address not in self._twice:
                        self._twice.add(address)
                        self._violate(world, f"{who} and {users[address]} both have {address[1]}")
                    users[address] = who

    def _changed(self, change: Change) -> None:
        thing = change.thing
        if thing.kind.resource not in _HOLDERS:
            return
        if change.type == CREATE:
            self._makers[thing.id] = self._vsd.asking
        elif change.type == DELETE:
            maker = self._makers.pop(thing.id, "")
            asking = self._vsd.asking
            if asking and asking != maker and Mark.parse(str(thing["externalID"])):
                self._violate(self._worlds[0], f"{asking} removes {thing['externalID']}, which {maker} has made")

    def _used(self, world: World) -> Mapping[_Address, Endpoint]:
        """Return the addresses from the VSD that Docker knows endpoints by."""
        endpoints = (endpoint for network in self._networks(world) for endpoint in network.endpoints.values())
        return {self._address(each): each for each in endpoints if each.address}

    def _networks(self, world: World) -> Sequence[Network]:
        """Return the networks that have their addresses from the VSD."""
        return [each for each in world.docker.store.known_networks if each.ipam == world.docker.settings.plugin]

    def _held(self, world: World) -> Mapping[_Address, Mark]:
        """Return what a host holds, now or with a database that it has lost; not that of networks nobody knows of."""
        assert world.vsd is not None
        lost = {self._subnet(name).id for name in world.lost_networks & PLACES.keys()}
        return {
            (mark.network_id, mark.address): mark
            for mark, thing in self._marks()
            if self._makers.get(thing.id) == world.vsd.user and mark.network_id not in lost
        }

    def _marks(self) -> Iterator[tuple[Mark, Thing]]:
        for resource in _HOLDERS:
            for thing in self._vsd.all(resource):
                mark = Mark.parse(str(thing["externalID"]))
                if mark is not None:
                    yield mark, thing

    def _port(self, endpoint: Endpoint) -> Thing | None:
        """Return the vPort of an endpoint."""
        network, address = self._address(endpoint)
        subnet = self._vsd.parts.directory.get(network)
        assert subnet is not None
        interface = self._vsd.parts.addresses.holder(subnet, address)
        return None if interface is None else interface.place

    def _name_of(self, network: str) -> str:
        subnet = self._vsd.parts.directory.get(network)
        assert subnet is not None
        return subnet.name

    def _address(self, endpoint: Endpoint) -> _Address:
        return self._subnet(endpoint.network.name).id, endpoint.address.partition("/")[0]

    def _subnet(self, network: str) -> Thing:
        place = PLACES[network]
        return self._vsd.subnet(place.domain, place.zone, place.subnet)

    def _moved(self) -> Iterator[tuple[World, str]]:
        """Yield the containers whose vPort is not in their policy group, or in that which an administrator chose."""
        for world in self._worlds:
            for endpoint, container in world.docker.attached().items():
                # One that has left has no vPort any more, though Docker still takes it for attached.
                if endpoint.network.name not in PLACES or world.promises.has_left(endpoint.id):
                    continue
                port = self._port(endpoint) if endpoint.address else None
                if port is None:
                    yield world, f"{container.name} has no vPort at the VSD"
                    continue
                wanted = self._vsd.moved.get(port.id, truth.policy_group(endpoint, container))
                groups = [each.name for each in port.members["policygroups"].values()]
                if groups != ([wanted] if wanted else []):
                    yield world, f"the vPort of {container.name} is to be in {wanted}, and is in {groups}"

    def _violate(self, world: World, what: str) -> None:
        world.history.violate(world.reactor.seconds(), "invariant", what)


def _identity(world: World) -> str:
    """Return what the marks of a host's daemon bear: see nuage.vrs.switch."""
    (row,) = world.database.rows("Open_vSwitch")
    return f"{row['_uuid']}.{world.config.plugin_socket.name}"
