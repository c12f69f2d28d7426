"""The VRS as the driver sees it: networks and endpoints instead of rows.

What it is asked it reads from the mirrored tables (:mod:`nuage.vrs.mirror`); here is what it waits for, and what it
writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from nuage.errors import SwitchError
from nuage.model import Container, Endpoint, Network, Survey, Trace
from nuage.names import port_name
from nuage.ovsdb.client import Change, OvsdbClient, Row
from nuage.ovsdb.errors import ConstraintViolation, OutcomeUnknown, WaitExpired, WaitTimedOut
from nuage.ovsdb.operations import Operation
from nuage.vrs import survey, tables, transactions
from nuage.vrs.errors import NotResolved, translated
from nuage.vrs.mirror import REMEDY, Mirror
from nuage.vrs.touched import Touched, touched
from nuage.vrs.views import Attachment, Resolution, resolution_of


def _never() -> bool:
    return False


class Switch(Mirror):
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
        super().__init__(client, bridge, owner)
        self._wire_timeout = wire_timeout
        self._site_id = site_id

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
                    f'the switch has no bridge "{self._bridge}", and got none within vrs_timeout; {REMEDY}'
                ) from None

    async def identity(self) -> str:
        """Return what tells this plugin on this switch apart from any other: the database's own id, and the owner.

        It stays the same for as long as the database exists.

        Raises:
            SwitchError: The database is away, or has no row of its own.
        """
        await self.loaded()
        for row in self._client.cache[tables.OPEN_VSWITCH].rows.values():
            return f"{row.uuid}.{self._owner or ''}"
        raise SwitchError("the switch's database is empty: it has no row in its table Open_vSwitch; start Open vSwitch")

    def on_ready(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back each time that the tables have been loaded or the bridge was made; return what ends this."""

        def made(changes: Sequence[Change]) -> None:
            if self._client.synced and any(map(self._is_new_bridge, changes)):
                callback()

        ends = (self._client.on_synced(callback), self.cache.subscribe(made))

        def unsubscribe() -> None:
            for end in ends:
                end()

        return unsubscribe

    def on_touched(self, callback: Callable[[Touched], None]) -> Callable[[], None]:
        """Call back with what each change of the mirrored tables is about; return what ends this."""

        def changed(changes: Sequence[Change]) -> None:
            if found := touched(changes, self._bridge):
                callback(found)

        return self._client.cache.subscribe(changed)

    def survey(self) -> Survey:
        """Look at all endpoints once."""
        return survey.survey(self)

    def has_endpoints(self) -> bool:
        """Tell whether a survey would find endpoints of ours: if there are none, that costs less than a survey."""
        return survey.has_endpoints(self)

    def trace(self, endpoint_id: str) -> Trace:
        """Return what the switch has of one endpoint, which may be nothing."""
        return survey.trace(self, endpoint_id)

    async def remember_network(self, network: Network) -> None:
        """Keep a network until it is forgotten. The plugin that Docker tells of it is its owner."""
        network = attrs.evolve(network, owner=self._owner)
        if self.network(network.id) != network:
            key = tables.NETWORK_RECORD + network.id
            await self._commit(transactions.remember(self._bridge, key, network.to_record()))

    async def forget_network(self, network_id: str, pools: Mapping[str, str] | None = None) -> None:
        """Forget a network, and keep something of its pools in the same instant: see :meth:`remember_pool`.

        It is no error if the network was not known.
        """
        await self.loaded()
        kept = {self._pool_record(key): text for key, text in (pools or {}).items()}
        await self._commit(transactions.forget(self._bridge, tables.NETWORK_RECORD + network_id, kept))

    def pool_records(self) -> Mapping[str, str]:
        """Return what this plugin keeps of pools, by key: see :mod:`nuage.ipam.handed_out`."""
        start = self._pool_record("")
        return {key.removeprefix(start): text for key, text in self._bridge_ids().items() if key.startswith(start)}

    async def remember_pool(self, key: str, text: str) -> None:
        """Keep something of a pool."""
        await self.ready()
        if self.pool_records().get(key) != text:
            await self._commit(transactions.remember(self._bridge, self._pool_record(key), text))

    async def forget_pools(self, keys: Sequence[str]) -> None:
        """Keep it no longer."""
        steps = [step for key in keys for step in transactions.forget(self._bridge, self._pool_record(key))]
        await self._commit(steps)

    async def remember_endpoint(self, endpoint: Endpoint) -> None:
        """Keep an endpoint that is not attached, until it is attached or forgotten."""
        endpoint = self._own(endpoint)
        if self.endpoint(endpoint.id) != endpoint:
            key = tables.ENDPOINT_RECORD + endpoint.id
            await self._commit(transactions.remember(self._bridge, key, endpoint.to_record()))

    async def attach(self, network: Network, endpoint: Endpoint, container: Container | None) -> Attachment:
        """Plug the endpoint's link into the bridge, tell the VRS of it and wait until it is wired.

        What is there already stays; what is missing comes in one transaction.

        Raises:
            SwitchError: The switch could not, and the message says why. The endpoint may be half attached.
        """
        found, trace = self.attachment(endpoint.id), self.trace(endpoint.id)
        told = (self._bridge, network, self._own(endpoint), container, self._site_id)
        if found is None:
            await self._commit(transactions.attach(*told), lambda: self.interface(endpoint.id) is not None)
        elif not trace.announced:
            steps = transactions.announce(found.interface_uuid, found.port_uuid, *told)
            await self._commit(steps, lambda: self.trace(endpoint.id).announced)
        elif not trace.marked and (interface := self.interface(endpoint.id)) is not None:
            await self._mark(interface, endpoint, container)
        return await self.wired(endpoint.id)

    async def plug(self, endpoint: Endpoint) -> Attachment:
        """Plug the endpoint's link into the bridge without a word to the VRS, and wait until it is wired.

        The VRS does not resolve a port that it was not told of, and lets nothing in or out. :meth:`attach` tells it
        later.

        Raises:
            SwitchError: See :meth:`attach`.
        """
        if self.interface(endpoint.id) is None:
            endpoint = self._own(endpoint)
            await self._commit(
                transactions.plug(self._bridge, endpoint), lambda: self.interface(endpoint.id) is not None
            )
        return await self.wired(endpoint.id)

    async def wired(self, endpoint_id: str) -> Attachment:
        """Wait until the switch has opened an endpoint's device, as its ofport shows (ovs-vswitchd.conf.db(5)).

        It carries no traffic before, nor while ovs-vswitchd restarts.

        Raises:
            SwitchError: The switch could not open it, and the message says why.
        """
        name, interface = port_name(endpoint_id), self.interface(endpoint_id)

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

    async def resolved(self, endpoint_id: str, timeout: float) -> Resolution:
        """Wait until the VRS has resolved the endpoint's port.

        Args:
            endpoint_id: An endpoint that is attached.
            timeout: Seconds to wait.

        Raises:
            nuage.vrs.errors.NotResolved: It did not within that time.
            SwitchError: The port was withdrawn meanwhile.
        """
        port = self.nuage_port(endpoint_id)

        def answer(row: Row | None) -> Resolution | None:
            if row is None:
                raise SwitchError(f"the VRS's row of port {port_name(endpoint_id)} was removed before it was resolved")
            return resolution_of(row)

        with translated():
            try:
                return await self._client.wait_until(tables.NUAGE_PORT, port.uuid if port else "", answer, timeout)
            except WaitExpired as problem:
                raise NotResolved(str(problem)) from problem

    async def adopt(self, endpoint: Endpoint, container: Container | None) -> None:
        """Mark the interface of an endpoint in use again if it has lost all its marks.

        The caller has seen the endpoint's link, whose alias proves it. So an interface that has the endpoint's name and
        names no owner is the endpoint's.
        """
        interface = self.unmarked(endpoint.id)
        if interface is not None:
            await self._mark(interface, endpoint, container)

    async def _mark(self, interface: Row, endpoint: Endpoint, container: Container | None) -> None:
        port = self.port_of(interface)
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
        holder = self.cache[tables.INTERFACE].find("name", port_name(endpoint_id))
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
                raise SwitchError(f'the switch has no bridge "{self._bridge}"; {REMEDY}') from problem
            except ConstraintViolation as problem:
                raise SwitchError(f"the switch refused a row: {problem.details}") from problem

    async def _transact(self, steps: list[Operation], done: Callable[[], bool] = _never) -> None:
        try:
            await self._client.transact(*steps)
        except OutcomeUnknown:
            await self._client.when_synced()
            if not done():
                await self._client.transact(*steps)

    def _pool_record(self, key: str) -> str:
        return f"{tables.POOL_RECORD}{self._owner or ''}-{key}"

    def _own(self, endpoint: Endpoint) -> Endpoint:
        return attrs.evolve(endpoint, owner=self._owner)

    def _is_new_bridge(self, change: Change) -> bool:
        made = change.new if change.old is None else None
        return change.table == tables.BRIDGE and made is not None and made["name"] == self._bridge
