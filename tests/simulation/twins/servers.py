"""The two servers, each with a client that says what a script says."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from lab.shell import wait_until
from nuage.ovsdb.framing import Splitter
from tests.simulation.chance import Chance
from tests.simulation.database.server import Database
from tests.simulation.history import History

#: Seconds that a real server gets to answer.
_PATIENCE = 20.0


class Twin(Protocol):
    """A server and its client."""

    def restart(self) -> None:
        """End the server and start it on what it has kept."""

    def connect(self) -> None:
        """Open a connection instead of the present one."""

    def call(self, method: str, params: list[Any]) -> list[Any]:
        """Call a method; return what came, the reply last."""


class Real:
    """A real ovsdb-server in a folder of its own."""

    def __init__(self, folder: Path, schema: dict[str, Any]) -> None:
        self._folder = folder
        folder.mkdir()
        (folder / "schema").write_text(json.dumps(schema))
        subprocess.run(["ovsdb-tool", "create", folder / "db", folder / "schema"], check=True)
        self._socket: socket.socket | None = None
        self._splitter = Splitter()
        self._calls = 0
        self._start()

    def _start(self) -> None:
        # Otherwise a change of a set or map that may have only so many elements is lost if those before and after are
        # more together: ovsdb-server 3.1 does not read such a difference back from its file.
        whole = "--disable-file-column-diff"
        files = (f"--{name}={self._folder}/{name}" for name in ("pidfile", "unixctl"))
        arguments = (whole, "-vconsole:off", f"--remote=punix:{self._folder}/sock", *files, "--detach", "--no-chdir")
        subprocess.run(["ovsdb-server", self._folder / "db", *arguments], check=True)

    def stop(self) -> None:
        """End it."""
        pid = int((self._folder / "pidfile").read_text())
        os.kill(pid, signal.SIGTERM)
        wait_until("ovsdb-server ends", lambda: not (self._folder / "pidfile").exists(), _PATIENCE)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def restart(self) -> None:
        """See Twin."""
        self.stop()
        self._start()

    def connect(self) -> None:
        """See Twin."""
        if self._socket is not None:
            self._socket.close()
        self._splitter = Splitter()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_PATIENCE)
        self._socket.connect(str(self._folder / "sock"))

    def call(self, method: str, params: list[Any]) -> list[Any]:
        """See Twin."""
        assert self._socket is not None
        self._calls += 1
        self._socket.sendall(json.dumps({"id": self._calls, "method": method, "params": params}).encode())
        came: list[Any] = []
        while not came or came[-1].get("id") != self._calls:
            data = self._socket.recv(1 << 20)
            if not data:
                raise ConnectionError("the server hung up")
            came += [json.loads(frame) for frame in self._splitter.feed(data)]
        return came


class Simulated:
    """A simulated server."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._reactor = MemoryReactorClock()
        self.database = Database(self._reactor, Chance("twins"), History(), schema=schema)
        self.database.start()
        self._protocol: Any = None
        self._transport = StringTransport()
        self._calls = 0

    def restart(self) -> None:
        """See Twin."""
        self._hang_up()
        self.database.restart()

    def connect(self) -> None:
        """See Twin."""
        self._hang_up()
        self._transport = StringTransport()
        self._protocol = self._reactor.unixServers[-1][1].buildProtocol(None)
        self._protocol.makeConnection(self._transport)

    def call(self, method: str, params: list[Any]) -> list[Any]:
        """See Twin."""
        self._calls += 1
        self._protocol.dataReceived(json.dumps({"id": self._calls, "method": method, "params": params}).encode())
        came = [json.loads(frame) for frame in Splitter().feed(self._transport.value())]
        self._transport.clear()
        return came

    def _hang_up(self) -> None:
        if self._protocol is not None:
            self._protocol.connectionLost(Failure(ConnectionDone()))
            self._protocol = None
