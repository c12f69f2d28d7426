"""The VRS as the driver sees it: networks and endpoints instead of rows.

It reads what it returns from the mirrored tables, so that nothing is lost when the daemon ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import attrs

from nuage.errors import SwitchError
from nuage.model import Container, Endpoint, Network, Survey, Trace
from nuage.names import port_name
from nuage.ovsdb.client import Change, OvsdbClient, Row
from nuage.ovsdb.errors import ConstraintViolation, OutcomeUnknown, WaitExpired, WaitTimedOut
from nuage.ovsdb.operations import Operation
from nuage.vrs import tables, transactions
from nuage.vrs.addresses import Addresses, holders
from nuage.vrs.errors import NotResolved, translated
from nuage.vrs.records import Records
from nuage.vrs.views import (
    Attachment,
    Resolution,
    attachment_of,
    failure_of,
    ids_of,
    is_marked,
    is_master,
    is_ours,
    owner_of,
    resolution_of,
)

T = TypeVar("T")

_REMEDY = "VrsBridge has to name the bridge of the VRS"


def _never() -> bool:
    return False


class Switch:
    """One bridge of a VRS.

    Args:
        client: Mirrors the tables that :data:`nuage.vrs.tables.MONITORED` names.
        bridge: Name of the bridge that endpoints are plugged into.
        wire_timeout: Seconds that ovs-vswitchd may take to open an endpoint's device.
        site_id: The site that entities are said to belong to, None for none.
        owner: What tells this plugin from others that use the same switch: the file name of its socket.

    Its methods raise :class:`nuage.errors.SwitchError` if the switch cannot do what is asked.
    """

    def __init__(
        self,
        client: OvsdbClient,
        bridge: str,
        wire_timeout: float,
        site_id: str | None = None,
        owner: str | None = None,
    ) -> None:
        self._client = client
        self._bridge = bridge
        self._wire_timeout = wire_timeout
        self._site_id = site_id
        self._owner = owner
        self._records = Records()

    @property
    def bridge(self) -> str:
        """The bridge's name."""
        return self._bridge

    async def loaded(self) -> None:
        """Wait, for a bounded time, until the tables are mirrored.

        That is enough for removals: a bridge that is gone took its records with it.
        """
        with translated():
            await self._client.when_synced()

    async def ready(self) -> None:
        """Wait, for the same time in all, until the tables are mirrored and the bridge is there.

        A start script of the VRS may make the bridge some time after the database answers.

        Raises:
            SwitchError: The database is away, or has no such bridge.
        """
        with translated():
            try:
                await self._client.when_there(tables.BRIDGE, "name", self._bridge)
            except WaitExpired:
                raise SwitchError(
                    f'the switch has no bridge "{self._bridge}", and got none within vrs_timeout; {_REMEDY}'
                ) from None

    def on_ready(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back each time that the tables have been loaded or the bridge was made; return what ends this."""

        def made(changes: Sequence[Change]) -> None:
            if self._client.synced and any(map(self._is_new_bridge, changes)):
                callback()

        ends = (self._client.on_synced(callback), self._client.cache.subscribe(made))

        def unsubscribe() -> None:
            for end in ends:
                end()

        return unsubscribe

    def network(self, network_id: str) -> Network | None:
        """Return a network that is remembered."""
        ids = self._bridge_ids()
        return self._records.at_bridge(self._bridge, ids, tables.NETWORK_RECORD, network_id, Network.from_record)

    def networks(self) -> Iterator[Network]:
        """Yield the networks that are remembered, without those of other plugins on this switch."""
        yield from (network for network in self._remembered_networks() if not self._is_foreign(network.owner))

    def foreign_networks(self) -> Iterator[Network]:
        """Yield the networks of other plugins on this switch."""
        yield from (network for network in self._remembered_networks() if self._is_foreign(network.owner))

    async def remember_network(self, network: Network) -> None:
        """Keep a network until it is forgotten. The plugin that Docker tells of it is its owner."""
        network = attrs.evolve(network, owner=self._owner)
        if self.network(network.id) != network:
            key = tables.NETWORK_RECORD + network.id
            await self._commit(transactions.remember(self._bridge, key, network.to_record()))

    async def forget_network(self, network_id: str) -> None:
        """Forget a network; it is no error if it was not known."""
        await self.loaded()
        await self._commit(transactions.forget(self._bridge, tables.NETWORK_RECORD + network_id))

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint that is attached or remembered."""
        interface = self._interface(endpoint_id)
        if interface is not None:
            return self._records.at_interface(interface)
        return self._waiting(endpoint_id)

    def endpoints_of(self, network_id: str) -> list[str]:
        """Return the ids of the network's endpoints, attached or remembered."""
        attached = {
            ids_of(row)[tables.ENDPOINT]
            for row in self._client.cache[tables.INTERFACE].where("external_ids", network_id, tables.NETWORK)
            if tables.ENDPOINT in ids_of(row)
        }
        return sorted(attached | {each.id for each in self._remembered_endpoints() if each.network_id == network_id})

    def holders(self, network: Network, addresses: Addresses) -> set[str]:
        """Return the ids of the network's endpoints that have one of some addresses, whatever is left of them."""
        return holders(self._client.cache, self._bridge_ids(), network, addresses)

    async def remember_endpoint(self, endpoint: Endpoint) -> None:
        """Keep an endpoint that is not attached, until it is attached or forgotten."""
        endpoint = self._own(endpoint)
        if self.endpoint(endpoint.id) != endpoint:
            key = tables.ENDPOINT_RECORD + endpoint.id
            await self._commit(transactions.remember(self._bridge, key, endpoint.to_record()))

    def survey(self) -> Survey:
        """Look at all endpoints once.

        An entity without a port is taken for ours if :func:`nuage.vrs.views.is_ours` proves it, and an interface
        without marks if its port does.
        """
        attached, waiting, entities = self._attached(), self._all_waiting(), self._entities()
        foreign = self._foreign(attached, waiting)
        traces = {}
        for endpoint_id in {*attached, *waiting, *entities} - foreign:
            # What is at hand by now is not looked up again for each of them.
            interface = attached[endpoint_id] if endpoint_id in attached else self._interface(endpoint_id)
            traces[endpoint_id] = self._trace(
                endpoint_id, interface, entities.get(endpoint_id), waiting.get(endpoint_id)
            )
        return Survey(traces=traces, foreign=foreign)

    def has_endpoints(self) -> bool:
        """Tell whether a survey would find endpoints of ours: if there are none, that costs less than a survey."""
        attached, waiting = self._attached(), self._all_waiting()
        return bool({*attached, *waiting, *self._entities()} - self._foreign(attached, waiting))

    def trace(self, endpoint_id: str) -> Trace:
        """Return what the switch has of one endpoint, which may be nothing."""
        return self._trace(
            endpoint_id, self._interface(endpoint_id), self._entity(endpoint_id), self._waiting(endpoint_id)
        )

    def _trace(self, endpoint_id: str, interface: Row | None, entity: Row | None, waiting: Endpoint | None) -> Trace:
        ids = {} if interface is None else ids_of(interface)
        if ids:
            waiting = None
        announced = entity is not None and self._nuage_port(endpoint_id) is not None
        return Trace(
            network_id=waiting.network_id if waiting else ids.get(tables.NETWORK),
            record=waiting.to_record() if waiting else ids.get(tables.RECORD),
            attached=interface is not None,
            announced=announced,
            waiting=waiting is not None,
            container_id=ids.get(tables.CONTAINER),
            container_name=ids.get(tables.VM_NAME),
            marked=interface is not None and is_marked(ids, self._port(interface), announced=announced),
            error=None if interface is None else failure_of(interface),
        )

    def _attached(self) -> dict[str, Row]:
        """Return the interfaces of endpoints, those of other plugins included."""
        found = {
            ids_of(row).get(tables.ENDPOINT) or self._owner_by_port(row): row
            for row in self._client.cache[tables.INTERFACE].rows.values()
        }
        return {endpoint_id: row for endpoint_id, row in found.items() if endpoint_id}

    def _all_waiting(self) -> dict[str, Endpoint]:
        """Return the endpoints that were created and are not joined, those of other plugins included."""
        return {endpoint.id: endpoint for endpoint in self._remembered_endpoints()}

    def _entities(self) -> dict[str, Row]:
        """Return the entities of this driver's making."""
        return {str(row["vm_uuid"]): row for row in self._client.cache[tables.NUAGE_VM].rows.values() if is_ours(row)}

    def _foreign(self, attached: Mapping[str, Row], waiting: Mapping[str, Endpoint]) -> set[str]:
        """Return the ids of those endpoints that are of other plugins on this switch."""
        return {
            *(each for each, row in attached.items() if self._is_foreign(ids_of(row).get(tables.OWNER))),
            *(each for each, endpoint in waiting.items() if self._is_foreign(endpoint.owner)),
        }

    def attachment(self, endpoint_id: str) -> Attachment | None:
        """Return where the endpoint is attached, None if it is not."""
        interface = self._interface(endpoint_id)
        return None if interface is None else self._seen(interface)

    def resolution(self, endpoint_id: str) -> Resolution | None:
        """Return what the VRS resolved the endpoint's port to, None until it has."""
        row = self._nuage_port(endpoint_id)
        return None if row is None else resolution_of(row)

    def has_bridge(self) -> bool:
        """Tell whether the bridge is there, by what was mirrored last."""
        return self._client.cache[tables.BRIDGE].find("name", self._bridge) is not None

    def bridge_status(self) -> str:
        """Say in one sentence how the bridge does."""
        return f"bridge {self._bridge} is there" if self.has_bridge() else f"the switch has none; {_REMEDY}"

    def controller_connected(self) -> bool:
        """Tell whether a controller is there to resolve ports; one is taken for granted if the VRS does not tell."""
        schema = self._client.schema
        if schema is not None and tables.CONTROLLER not in schema.tables:
            return True
        return any(is_master(row) for row in self._client.cache[tables.CONTROLLER].rows.values())

    def controller_status(self) -> str:
        """Say in one sentence how the controller does."""
        if self.controller_connected():
            return "a controller is connected"
        return "no row of the VRS's table Controller has the role master"

    async def resolved(self, endpoint_id: str, timeout: float) -> Resolution:
        """Wait until the VRS has resolved the endpoint's port.

        Args:
            endpoint_id: An endpoint that is attached.
            timeout: Seconds to wait.

        Raises:
            nuage.vrs.errors.NotResolved: It did not within that time.
            SwitchError: The port was withdrawn meanwhile.
        """
        port = self._nuage_port(endpoint_id)

        def answer(row: Row | None) -> Resolution | None:
            if row is None:
                raise SwitchError(f"the VRS's row of port {port_name(endpoint_id)} was removed before it was resolved")
            return resolution_of(row)

        with translated():
            try:
                return await self._client.wait_until(tables.NUAGE_PORT, port.uuid if port else "", answer, timeout)
            except WaitExpired as problem:
                raise NotResolved(str(problem)) from problem

    async def attach(self, network: Network, endpoint: Endpoint, container: Container | None) -> Attachment:
        """Plug the endpoint's link into the bridge, tell the VRS of it and wait until it is wired.

        What is there already stays; what is missing comes in one transaction.

        Raises:
            SwitchError: The switch could not, and the message says why. The endpoint may be half attached.
        """
        found, trace = self.attachment(endpoint.id), self.trace(endpoint.id)
        told = (self._bridge, network, self._own(endpoint), container, self._site_id)
        if found is None:
            await self._commit(transactions.attach(*told), lambda: self._interface(endpoint.id) is not None)
        elif not trace.announced:
            steps = transactions.announce(found.interface_uuid, found.port_uuid, *told)
            await self._commit(steps, lambda: self.trace(endpoint.id).announced)
        elif not trace.marked and (interface := self._interface(endpoint.id)) is not None:
            await self._mark(interface, endpoint, container)
        return await self.wired(endpoint.id)

    async def plug(self, endpoint: Endpoint) -> Attachment:
        """Plug the endpoint's link into the bridge without a word to the VRS, and wait until it is wired.

        The VRS does not resolve a port that it was not told of, and lets nothing in or out. :meth:`attach` tells it
        later.

        Raises:
            SwitchError: See :meth:`attach`.
        """
        if self._interface(endpoint.id) is None:
            endpoint = self._own(endpoint)
            await self._commit(
                transactions.plug(self._bridge, endpoint), lambda: self._interface(endpoint.id) is not None
            )
        return await self.wired(endpoint.id)

    async def wired(self, endpoint_id: str) -> Attachment:
        """Wait until the switch has opened an endpoint's device, as its ofport shows (ovs-vswitchd.conf.db(5)).

        It carries no traffic before, nor while ovs-vswitchd restarts.

        Raises:
            SwitchError: The switch could not open it, and the message says why.
        """
        name, interface = port_name(endpoint_id), self._interface(endpoint_id)

        def settled(row: Row | None) -> Attachment | None:
            if row is None:
                raise SwitchError(f"port {name} was removed from the switch while it was being attached")
            found = self._seen(row)
            return found if found.ofport is not None or found.error else None

        with translated():
            try:
                attachment = await self._client.wait_until(
                    tables.INTERFACE, interface.uuid if interface else "", settled, timeout=self._wire_timeout
                )
            except WaitExpired:
                raise SwitchError(
                    f"the switch did not open port {name} within {self._wire_timeout:g} s; is ovs-vswitchd running?"
                ) from None
        if attachment.failure:
            raise SwitchError(f"the switch could not open port {name}: {attachment.failure}")
        return attachment

    async def adopt(self, endpoint: Endpoint, container: Container | None) -> None:
        """Mark the interface of an endpoint in use again if it has lost all its marks.

        The caller has seen the endpoint's link, whose alias proves it. So an interface that has the endpoint's name and
        names no owner is the endpoint's.
        """
        interface = self._unmarked(endpoint.id)
        if interface is not None:
            await self._mark(interface, endpoint, container)

    async def _mark(self, interface: Row, endpoint: Endpoint, container: Container | None) -> None:
        port = self._port(interface)
        port_uuid = None if port is None else port.uuid
        await self._commit(transactions.mark(interface.uuid, port_uuid, self._own(endpoint), container))

    async def unplug(self, endpoint_id: str) -> None:
        """Take the endpoint from the bridge and from the VRS, and remember it for a later attach."""
        # The mirrored tables tell which port is the endpoint's, so they have to be there.
        await self.loaded()
        endpoint = self.endpoint(endpoint_id)
        endpoint = self._own(endpoint) if endpoint else None
        key = tables.ENDPOINT_RECORD + endpoint_id
        records = transactions.remember(self._bridge, key, endpoint.to_record()) if endpoint else []
        await self._detach(endpoint_id, records)

    async def forget_endpoint(self, endpoint_id: str) -> None:
        """Take the endpoint from the bridge and from the VRS for good; it is no error if it is not known."""
        await self.loaded()
        await self._detach(endpoint_id, transactions.forget(self._bridge, tables.ENDPOINT_RECORD + endpoint_id))

    async def _detach(self, endpoint_id: str, records: list[Operation]) -> None:
        if self.attachment(endpoint_id) is None:
            # An attach that was given up may still be on its way: the reply to anything sent later comes after it, and
            # tables that were loaded later show it.
            with translated():
                await self._transact([])
        attachment = self.attachment(endpoint_id)
        port_uuid = attachment.port_uuid if attachment else None
        holder = self._client.cache[tables.INTERFACE].find("name", port_name(endpoint_id))
        owns_name = holder is None or (attachment is not None and holder.uuid == attachment.interface_uuid)
        await self._commit([*transactions.detach(self._bridge, endpoint_id, port_uuid, owns_name=owns_name), *records])

    async def rename(self, network: Network, endpoint: Endpoint, container: Container) -> None:
        """Tell the VRS of the container of an endpoint that was attached without it: name, and what its labels say."""
        attachment = self.attachment(endpoint.id)
        if attachment is not None:
            await self._commit(
                transactions.rename(
                    attachment.interface_uuid, attachment.port_uuid, network, endpoint, container, self._site_id
                )
            )

    async def _commit(self, steps: list[Operation], done: Callable[[], bool] = _never) -> None:
        """Carry out one transaction. If no reply came, it is sent once more.

        Args:
            steps: The transaction.
            done: Tells from the reloaded tables whether the first one was carried out. Only a transaction that inserts
                rows needs it: it cannot be repeated without harm.
        """
        with translated():
            try:
                await self._transact(steps, done)
            except WaitTimedOut as problem:
                raise SwitchError(f'the switch has no bridge "{self._bridge}"; {_REMEDY}') from problem
            except ConstraintViolation as problem:
                raise SwitchError(f"the switch refused a row: {problem.details}") from problem

    async def _transact(self, steps: list[Operation], done: Callable[[], bool] = _never) -> None:
        try:
            await self._client.transact(*steps)
        except OutcomeUnknown:
            await self._client.when_synced()
            if not done():
                await self._client.transact(*steps)

    def _interface(self, endpoint_id: str) -> Row | None:
        """Return the endpoint's interface: by its mark or, if that was removed, by that of its port or its entity."""
        interface = self._client.cache[tables.INTERFACE].find("external_ids", endpoint_id, tables.ENDPOINT)
        if interface is not None:
            return interface
        unmarked = self._unmarked(endpoint_id)
        return unmarked if unmarked is not None and self._is_proven(unmarked, endpoint_id) else None

    def _is_proven(self, interface: Row, endpoint_id: str) -> bool:
        """Tell whether something other than its own marks proves that an interface of this name is the endpoint's."""
        return self._owner_by_port(interface) == endpoint_id or self._entity(endpoint_id) is not None

    def _entity(self, endpoint_id: str) -> Row | None:
        """Return the endpoint's row in the VRS's table of entities, if this driver made it."""
        entity = self._client.cache[tables.NUAGE_VM].find("vm_uuid", endpoint_id)
        return entity if entity is not None and is_ours(entity) else None

    def _nuage_port(self, endpoint_id: str) -> Row | None:
        """Return the endpoint's row in the VRS's table of ports."""
        return self._client.cache[tables.NUAGE_PORT].find("name", port_name(endpoint_id))

    def _unmarked(self, endpoint_id: str) -> Row | None:
        """Return the interface of the endpoint's name if it names no owner."""
        interface = self._client.cache[tables.INTERFACE].find("name", port_name(endpoint_id))
        return interface if interface is not None and tables.ENDPOINT not in ids_of(interface) else None

    def _owner_by_port(self, interface: Row) -> str | None:
        port = self._port(interface)
        return None if port is None else owner_of(port)

    def _port(self, interface: Row) -> Row | None:
        return self._client.cache[tables.PORT].find("name", interface["name"])

    def _seen(self, interface: Row) -> Attachment:
        return attachment_of(interface, self._port(interface))

    def _own(self, endpoint: Endpoint) -> Endpoint:
        return attrs.evolve(endpoint, owner=self._owner)

    def _is_foreign(self, owner: str | None) -> bool:
        """Tell whether a record is another plugin's. One without an owner, of release 1.0, may be ours."""
        return owner is not None and owner != self._owner

    def _is_new_bridge(self, change: Change) -> bool:
        made = change.new if change.old is None else None
        return change.table == tables.BRIDGE and made is not None and made["name"] == self._bridge

    def _bridge_ids(self) -> Mapping[str, str]:
        row = self._client.cache[tables.BRIDGE].find("name", self._bridge)
        return {} if row is None else ids_of(row)

    def _remembered_networks(self) -> Iterator[Network]:
        yield from self._at_bridge(tables.NETWORK_RECORD, self.network)

    def _remembered_endpoints(self) -> Iterator[Endpoint]:
        yield from self._at_bridge(tables.ENDPOINT_RECORD, self._waiting)

    def _at_bridge(self, prefix: str, record_of: Callable[[str], T | None]) -> Iterator[T]:
        subjects = [key.removeprefix(prefix) for key in self._bridge_ids() if key.startswith(prefix)]
        yield from (record for record in map(record_of, subjects) if record is not None)

    def _waiting(self, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint that was created and is not joined."""
        ids = self._bridge_ids()
        return self._records.at_bridge(self._bridge, ids, tables.ENDPOINT_RECORD, endpoint_id, Endpoint.from_record)
