"""The switch daemon, ovs-vswitchd: it opens the ports' devices, and writes how that went into the database.

How it does so was seen with ovs-vswitchd 3.1 and its userspace datapath:

- A new port gets the number after the last one that was given, even if lower ones are free.
- A port whose device is missing has ``ofport`` -1 and an ``error``; it is opened as soon as the device comes.
- A port whose device goes keeps its number, and has it still when the device comes back.
- After a restart, a port has the number that the database tells, unless a port that came meanwhile is opened first and
  has taken it. The first new port gets the lowest number that is free.
- Without the bridge, the numbers begin anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from tests.simulation.database.rows import Change, Row
from tests.simulation.database.server import Database
from tests.simulation.reacting import Reacting

#: The number of the bridge's own port: OFPP_LOCAL of OpenFlow 1.0.
LOCAL = 65534
#: Seconds from a change to what the daemon makes of it.
_REACTION = (0.0005, 0.004)
#: The same if it is busy with something else.
_BUSY = (0.05, 3.0)
#: Seconds from one refreshing of statistics and of the controllers' state to the next.
_REFRESHING = 5.0
#: The highest number that is given to a port whose number nobody chose.
_HIGHEST = 32767


class SwitchDaemon(Reacting):
    """The daemon, as a client of the database.

    ``reaction`` are the seconds, from and to, that it takes to react to a change. ``busy`` is the probability that it
    takes much longer.

    Args:
        reactor: Keeps the time.
        chance: Draws the delays.
        history: Is told what happens.
        database: The database.
        device: Tells whether the host has a link of a name.
    """

    def __init__(
        self, reactor: Any, chance: Any, history: Any, database: Database, device: Callable[[str], bool]
    ) -> None:
        super().__init__("switch", reactor, chance, history, database)
        self._device = device
        self.reaction = _REACTION
        self.busy = 0.02
        self.running = False
        self._ports: dict[str, int] = {}
        self._last = 0
        self._refresh: IDelayedCall | None = None
        self._refreshed = 0
        database.watch(self._changed)

    def start(self) -> None:
        """Start; nothing is known but what the database tells."""
        self._note("starts")
        self.running, self.hanging = True, False
        self._ports, self._last = {}, 0
        self._look_soon()
        self._refresh_later(self._chance.delay(*self.reaction))

    def stop(self) -> None:
        """End. The database keeps what it says."""
        self._note("ends")
        self.running = False
        for call in (self._due, self._refresh):
            if call is not None and call.active():
                call.cancel()

    def restart(self) -> None:
        """End and start."""
        self.stop()
        self.start()

    def device_changed(self, name: str) -> None:
        """Hear that a link of the host came, went or changed."""
        if name not in self._ports:
            self._look_soon()

    def _changed(self, changes: Sequence[Change]) -> None:
        if any(map(_concerns_ports, changes)):
            self._look_soon()

    def _look_soon(self) -> None:
        if self.running and not self._waits:
            seconds = _BUSY if self._chance.happens(self.busy) else self.reaction
            self._due = self._reactor.callLater(self._chance.delay(*seconds), self._look)

    def _look(self) -> None:
        """Open what is to be opened, and forget what is gone."""
        if self._idle:
            return
        wanted = {row["name"][0]: row for row in self._interfaces()}
        self._ports = {name: number for name, number in self._ports.items() if name in wanted}
        if not self._database.store.tables["Bridge"].rows:
            self._last = 0
        # Of several to be opened at once, any may be the first.
        told = [(row, self._state(row)) for row in self._chance.shuffled(list(wanted.values()))]
        updates = [_update("Interface", row, state) for row, state in told if not _says(row, state)]
        updates += self._configuration()
        if updates:
            self._database.transact(*updates)

    def _interfaces(self) -> Iterator[Row]:
        """Yield the interfaces of all ports of all bridges."""
        tables = self._database.store.tables
        for bridge in tables["Bridge"].rows.values():
            for port in bridge["ports"]:
                for interface in tables["Port"].rows[port]["interfaces"]:
                    yield tables["Interface"].rows[interface]

    def _state(self, row: Row) -> dict[str, Any]:
        """Open an interface if that is not done yet; return what the database is told of it."""
        name = row["name"][0]
        if name not in self._ports and (row["type"][0] == "internal" or self._device(name)):
            self._ports[name] = self._number(row)
            self._note(f"opens {name} as {self._ports[name]}")
        if name in self._ports:
            return {"ofport": self._ports[name], "error": ["set", []]}
        return {"ofport": -1, "error": f"could not open network device {name} (No such device)"}

    def _number(self, row: Row) -> int:
        if row["type"][0] == "internal" and self._is_bridge(row["name"][0]):
            return LOCAL
        used = {*self._ports.values()}
        for former in row["ofport"]:
            if former > 0 and former not in used:
                return int(former)
        while True:
            self._last = self._last % _HIGHEST + 1
            if self._last not in used:
                return self._last

    def _is_bridge(self, name: str) -> bool:
        return any(bridge["name"][0] == name for bridge in self._database.store.tables["Bridge"].rows.values())

    def _configuration(self) -> Iterator[dict[str, Any]]:
        """Tell that the present configuration is carried out, and what no bridge has told yet."""
        tables = self._database.store.tables
        for row in tables["Open_vSwitch"].rows.values():
            if row["cur_cfg"] != row["next_cfg"]:
                yield _update("Open_vSwitch", row, {"cur_cfg": row["next_cfg"][0]})
        for row in tables["Bridge"].rows.values():
            if not row["datapath_id"]:
                yield _update("Bridge", row, {"datapath_id": f"0000{row['_uuid'][0].replace('-', '')[:12]}"})

    def _refresh_later(self, seconds: float) -> None:
        self._refresh = self._reactor.callLater(seconds, self._refresh_status)

    def _refresh_status(self) -> None:
        self._refresh_later(_REFRESHING)
        if self._idle:
            return
        self._refreshed += 1
        updates = [
            _update("Interface", row, {"statistics": ["map", [["rx_packets", self._refreshed]]]})
            for row in self._interfaces()
            if row["name"][0] in self._ports
        ]
        state = {"is_connected": self.has_controller, "role": "master" if self.has_controller else "other"}
        controllers = self._database.store.tables["Controller"].rows.values()
        updates += [_update("Controller", row, state) for row in controllers]
        if updates:
            self._database.transact(*updates)


def _concerns_ports(change: Change) -> bool:
    """Tell whether a change may bring a port or take one away."""
    old, new = change.old, change.new
    if old is None or new is None:
        return change.table in ("Bridge", "Port", "Interface", "Open_vSwitch")
    if change.table == "Bridge":
        return old["ports"] is not new["ports"]
    return change.table == "Open_vSwitch" and old["next_cfg"] != new["next_cfg"]


def _update(table: str, row: Row, columns: dict[str, Any]) -> dict[str, Any]:
    where = [["_uuid", "==", ["uuid", row["_uuid"][0]]]]
    return {"op": "update", "table": table, "where": where, "row": columns}


def _says(row: Row, columns: dict[str, Any]) -> bool:
    """Tell whether a row says what it would be told."""
    return all(row[name] == (() if value == ["set", []] else (value,)) for name, value in columns.items())
