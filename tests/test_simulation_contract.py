"""The contract of the client with a database server, on the simulated one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor

from tests import test_ovsdb_contract
from tests.simulation.chance import Chance
from tests.simulation.database.server import Database
from tests.simulation.history import History


class Server:
    """The simulated server on a real socket."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(reactor, Chance("contract"), History(), f"unix:{folder}/sock")
        self.start = self._database.start
        self.stop = self._database.stop
        self.hang = self._database.hang
        self.resume = self._database.resume
        self.convert = self._database.convert

    def alter(self, *operations: dict[str, Any]) -> None:
        """Change the database while the server is down."""
        results = self._database.store.transact(operations)
        assert not any("error" in result for result in results), results


class OverMemory(test_ovsdb_contract.OverUnix):
    """All of it."""

    def make_server(self) -> Server:
        """Return a server that is not started."""
        return Server(self.folder)
