"""The VRS's agent, with its controller: it resolves ports, and writes their addresses into the database.

Its rows are those that the lab's controller reads (:mod:`lab.vrs.database`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from lab.vrs.database import columns_of, entity_of, port_of
from lab.vrs.resolution import EntityRow, Key, Outcome, PortRow, Resolved
from tests.simulation.database.rows import Change, Row
from tests.simulation.database.server import Database
from tests.simulation.database.values import plain
from tests.simulation.reacting import Reacting

#: Seconds from a change to when the agent looks.
_REACTION = (0.0002, 0.002)
#: Seconds that the controller takes for a port.
_RESOLVING = (0.002, 0.05)
#: Seconds that it takes if it is busy with something else.
_LATE = (0.5, 8.0)


#: The rows that were read, each with what it says, by uuid.
_Read = dict[str, tuple[Row, Any]]


class Policy(Protocol):
    """Who knows what ports get."""

    def resolve(self, rows: Sequence[tuple[PortRow, EntityRow | None]], /) -> Mapping[Key, Outcome]:
        """Resolve all ports."""


class VrsAgent(Reacting):
    """The agent, as a client of the database.

    ``resolving`` are the seconds, from and to, that it takes to resolve a port. ``refused`` are the names of ports that
    are not resolved. ``late`` and ``never`` are the probabilities that a port is resolved much later, or not at all,
    although it could be.

    Args:
        reactor: Keeps the time.
        chance: Draws the delays.
        history: Is told what happens.
        database: The database.
        policy: Knows what ports get.
        host: The name of its host.
        bridge: The bridge whose ports count.
    """

    def __init__(
        self,
        reactor: Any,
        chance: Any,
        history: Any,
        database: Database,
        policy: Policy,
        host: str = "host",
        bridge: str = "alubr0",
    ) -> None:
        super().__init__("vrs", reactor, chance, history, database)
        self._policy = policy
        self._host = host
        self._bridge = bridge
        self.reaction = _REACTION
        self.resolving = _RESOLVING
        self.refused: set[str] = set()
        self.late = 0.02
        self.never = 0.0
        #: When each port that can be resolved is resolved; None is never.
        self._times: dict[str, float | None] = {}
        self._read: _Read = {}
        database.watch(self._changed)

    def find_controller(self) -> None:
        """Resolve ports again. Without a controller those that are resolved keep their addresses."""
        super().find_controller()
        self._look_soon()

    def look(self) -> None:
        """Look soon whether ports are to be resolved anew: the controller knows something new."""
        self._look_soon()

    def refuse(self, name: str) -> None:
        """Do not resolve a port, until :meth:`accept`. It loses its address if it has one."""
        self._note(f"refuses {name}")
        self.refused.add(name)
        self._look_soon()

    def accept(self, name: str) -> None:
        """Resolve a port that was refused."""
        self._note(f"accepts {name}")
        self.refused.discard(name)
        self._look_soon()

    def forget(self, name: str) -> None:
        """Clear the address of a port, and resolve it again as if it were new.

        Raises:
            Unavailable: The database does not answer.
        """
        self._note(f"forgets {name}")
        self._times.pop(name, None)
        self._write(name, None)

    def _changed(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.table == "Nuage_Port_Table" and change.old is None and change.new is not None:
                # A row that replaces another of its name is a new port.
                self._times.pop(change.new["name"][0], None)
        if any(map(_concerns_resolution, changes)):
            self._look_soon()

    def _look_soon(self, delay: float | None = None) -> None:
        wanted = self._chance.delay(*self.reaction) if delay is None else delay
        if self._due is not None and self._due.active():
            if self._due.getTime() <= self._reactor.seconds() + wanted:
                return
            self._due.cancel()
        self._due = self._reactor.callLater(wanted, self._look)

    def _look(self) -> None:
        if self._idle:
            return
        rows = list(self._rows())
        outcomes = self._policy.resolve(rows)
        resolved: dict[str, Resolved] = {}
        for port, _ in rows:
            outcome = outcomes[port.key]
            if isinstance(outcome, Resolved) and port.name not in self.refused:
                resolved[port.name] = outcome
        self._times = {name: self._time_of(name) for name in resolved}
        for port, _ in rows:
            self._settle(port, resolved.get(port.name))
        self._look_at_the_next()

    def _time_of(self, name: str) -> float | None:
        if name in self._times:
            return self._times[name]
        if self._chance.happens(self.never):
            return None
        seconds = _LATE if self._chance.happens(self.late) else self.resolving
        time: float = self._reactor.seconds() + self._chance.delay(*seconds)
        return time

    def _settle(self, port: PortRow, outcome: Resolved | None) -> None:
        """Write what has become of a port, if its time has come."""
        if not self.has_controller:
            return
        if outcome is None:
            if port.ip_addr:
                self._write(port.name, None)
            return
        time = self._times[port.name]
        due = bool(port.ip_addr) or (time is not None and time <= self._reactor.seconds())
        if due and not outcome.written_in(port):
            self._write(port.name, outcome)

    def _look_at_the_next(self) -> None:
        now = self._reactor.seconds()
        waiting = [time for time in self._times.values() if time is not None and time > now]
        if waiting and self.has_controller:
            self._look_soon(min(waiting) - now)

    def _rows(self) -> Iterator[tuple[PortRow, EntityRow | None]]:
        tables = self._database.store.tables
        before, self._read = self._read, {}
        entities: dict[str, EntityRow] = {}
        for row in tables["Nuage_VM_Table"].rows.values():
            entity = self._entity(row, before)
            entities |= dict.fromkeys(row["ports"], entity)
        for row in tables["Nuage_Port_Table"].rows.values():
            if row["bridge"] == (self._bridge,):
                port = self._port(row, before)
                yield port, entities.get(port.name)

    def _entity(self, row: Row, before: _Read) -> EntityRow:
        """Read a row, unless it is the one that was read before: most of them stay."""
        uuid = row["_uuid"][0]
        read = before.get(uuid)
        if read is None or read[0] is not row:
            read = row, entity_of(self._plain("Nuage_VM_Table", row))
        self._read[uuid] = read
        entity: EntityRow = read[1]
        return entity

    def _port(self, row: Row, before: _Read) -> PortRow:
        """See :meth:`_entity`."""
        uuid, ofport = row["_uuid"][0], self._ofport(row["name"])
        read = before.get(uuid)
        if read is None or read[0] is not row or read[1].ofport != ofport:
            read = row, port_of(self._plain("Nuage_Port_Table", row), self._host, ofport)
        self._read[uuid] = read
        port: PortRow = read[1]
        return port

    def _ofport(self, name: tuple[str]) -> int | None:
        interfaces = self._database.store.tables["Interface"]
        uuid = interfaces.indexes["name",].get((name,))
        ofport = interfaces.rows[uuid]["ofport"] if uuid is not None else ()
        return ofport[0] if ofport and ofport[0] > 0 else None

    def _plain(self, table: str, row: Row) -> dict[str, Any]:
        columns = self._database.store.schema.tables[table].columns
        return {name: plain(columns[name].type, value) for name, value in row.items()}

    def _write(self, name: str, outcome: Resolved | None) -> None:
        self._note(f"{name} is {outcome or 'not resolved'}")
        where = [["name", "==", name]]
        row = columns_of(outcome)
        self._database.transact({"op": "update", "table": "Nuage_Port_Table", "where": where, "row": row})


def _concerns_resolution(change: Change) -> bool:
    if change.table == "Interface":
        return change.new is not None and (change.old is None or change.old["ofport"] != change.new["ofport"])
    return change.table in ("Nuage_Port_Table", "Nuage_VM_Table")
