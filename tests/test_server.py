"""The plugin's socket: how it is made and removed, and how its connections end."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import TestCase

from nuage.errors import ConfigurationError
from nuage.libnetwork import payloads
from nuage.libnetwork.calls import Calls
from nuage.libnetwork.server import PluginServer
from tests.driver_support import ENDPOINT, NETWORK
from tests.http_support import Client, PlayedDriver, asynchronous, connect, post, post_json, read_answers, site_of

reactor = cast(Any, _reactor)
IDS = {"NetworkID": NETWORK, "EndpointID": ENDPOINT}
LEAVE = post_json("NetworkDriver.Leave", IDS)


class ServerCase(TestCase):
    """A server in a folder of its own, with a driver that is played."""

    timeout = 20

    def setUp(self) -> None:
        # A socket's path has 107 bytes: trial's own folder may be too deep.
        folder = tempfile.TemporaryDirectory(prefix="nuage")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "plugins" / "nuage.sock"
        self.calls = Calls(reactor, deadline=10)
        self.driver = PlayedDriver()

    def server(self) -> PluginServer:
        """Return a server that is not started yet."""
        return PluginServer(reactor, self.path, site_of(self.driver, self.calls, Clock()), self.calls)

    def start(self) -> PluginServer:
        """Return a server that listens, until the end of the test."""
        server = self.server()
        server.privilegedStartService()
        server.startService()
        self.addCleanup(lambda: server.stopService() if server.running else None)
        return server

    async def connect(self) -> Client:
        """Connect to the server."""
        client = await connect(reactor, self.path)
        self.addCleanup(client.hang_up)
        return client

    def refusal(self) -> str:
        """Return why the server does not start."""
        with self.assertRaises(ConfigurationError) as caught:
            self.server().privilegedStartService()
        return str(caught.exception)


class Socket(ServerCase):
    """The socket's file."""

    @asynchronous
    async def test_it_is_there_while_the_server_runs(self) -> None:
        """Its folder is made where it is missing, for the owner alone."""
        server = self.start()
        assert stat.S_ISSOCK(self.path.stat().st_mode)
        assert stat.S_IMODE(self.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(self.path.parent.stat().st_mode) == 0o700
        await server.stopService()
        assert list(self.path.parent.iterdir()) == []

    def test_its_mode_is_right_when_it_is_bound(self) -> None:
        """Not only after the chmod that follows; whatever umask the process has, which it keeps."""
        modes = []

        def observe(path: str, *arguments: object, **options: object) -> None:
            modes.append(stat.S_IMODE(os.stat(path).st_mode))

        self.patch(os, "chmod", observe)
        former = os.umask(0)
        try:
            self.start()
            assert os.umask(0) == 0
        finally:
            os.umask(former)
        assert modes == [0o600]
        assert stat.S_IMODE(self.path.stat().st_mode) == 0o600

    @asynchronous
    async def test_a_stale_one_is_replaced(self) -> None:
        """A daemon that was killed leaves it."""
        self.path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(self.path))
        self.start()
        client = await self.connect()
        assert (await client.ask(LEAVE)).status == 200

    def test_a_live_one_is_left_alone(self) -> None:
        """Two daemons would take each other's calls; one whose backlog is full is alive too."""
        self.path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as live, socket.socket(socket.AF_UNIX) as filling:
            live.bind(str(self.path))
            live.listen(0)
            expected = f"plugin_socket: another process listens on {self.path}; stop it or name another path"
            assert self.refusal() == expected
            filling.setblocking(False)
            filling.connect_ex(str(self.path))
            assert self.refusal() == expected
            assert self.path.is_socket()

    def test_what_is_no_socket_is_left_alone(self) -> None:
        """A file, a folder, a link even where it leads to nothing."""
        self.path.parent.mkdir()
        makers: tuple[Callable[[], object], ...] = (
            lambda: self.path.write_text("precious"),
            self.path.mkdir,
            lambda: self.path.symlink_to("nowhere"),
        )
        for make in makers:
            make()
            assert "exists and is not a socket; remove it or name another path" in self.refusal()
            assert self.path.is_dir() or self.path.is_symlink() or self.path.read_text() == "precious"
            self.path.rmdir() if self.path.is_dir() else self.path.unlink()

    def test_a_folder_that_cannot_be_made(self) -> None:
        """A file stands in its place."""
        self.path.parent.write_text("")
        assert f"{self.path.parent} cannot be used: " in self.refusal()

    def test_a_socket_that_cannot_be_made_or_removed(self) -> None:
        """The reason is told."""
        self.path.parent.mkdir()

        def forbid(*_arguments: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(self.path))
        self.patch(Path, "unlink", forbid)
        assert self.refusal() == f"plugin_socket: {self.path} cannot be removed: Operation not permitted"
        self.path = self.path.with_name("other.sock")
        self.patch(socket.socket, "bind", forbid)
        former = os.umask(0o022)
        os.umask(former)
        assert "other.sock cannot be made: " in self.refusal()
        assert os.umask(former) == former


class Connections(ServerCase):
    """Connections, while the server runs and at its end."""

    @asynchronous
    async def test_a_connection_serves_many_requests(self) -> None:
        """Docker keeps it open."""
        self.start()
        client = await self.connect()
        for _ in range(3):
            assert (await client.ask(LEAVE)).status == 200
            assert (await client.ask(post("NetworkDriver.Leave", b""))).status == 400
        assert not client.lost.called

    @asynchronous
    async def test_the_end_waits_for_the_calls_in_flight(self) -> None:
        """It listens no more from the start; a call on an open connection is still taken; then all are closed."""
        works = [Deferred[payloads.Empty]() for _ in range(2)]
        waiting = iter(works)
        self.driver.work = lambda _request: next(waiting)
        server = self.start()
        busy, idle = await self.connect(), await self.connect()
        cast(Any, busy.transport).write(LEAVE)
        while len(self.driver.calls) < 1:
            await deferLater(reactor, 0.001)
        stopped = server.stopService()
        await deferLater(reactor, 0)
        assert not self.path.exists()
        cast(Any, idle.transport).write(LEAVE)
        while len(self.driver.calls) < 2:
            await deferLater(reactor, 0.001)
        works[0].callback(payloads.Empty())
        assert (await busy.answer()).status == 200
        assert not stopped.called
        assert not busy.lost.called
        works[1].callback(payloads.Empty())
        assert (await idle.answer()).status == 200
        await stopped
        await busy.lost
        await idle.lost

    @asynchronous
    async def test_the_end_waits_for_a_call_whose_client_is_gone(self) -> None:
        """A Leave goes on to its end."""
        work: Deferred[payloads.Empty] = Deferred()
        self.driver.work = lambda _request: work
        server = self.start()
        client = await self.connect()
        cast(Any, client.transport).write(LEAVE)
        while not self.driver.calls:
            await deferLater(reactor, 0.001)
        client.hang_up()
        await client.lost
        await deferLater(reactor, 0.01)
        stopped = server.stopService()
        await deferLater(reactor, 0.01)
        assert not work.called
        assert not stopped.called
        work.callback(payloads.Empty())
        await stopped

    @asynchronous
    async def test_an_answer_longer_than_the_sockets_buffer_arrives_whole(self) -> None:
        """At the end too: what is written is sent before the connection is closed."""
        work: Deferred[payloads.OperationalInfo] = Deferred()
        self.driver.work = lambda _request: work
        server = self.start()
        client = await self.connect()
        cast(Any, client.transport).write(post_json("NetworkDriver.EndpointOperInfo", IDS))
        while not self.driver.calls:
            await deferLater(reactor, 0.001)
        cast(Any, client.transport).pauseProducing()
        stopped = server.stopService()
        work.callback(payloads.OperationalInfo({"text": "x" * 2_000_000}))
        await stopped
        cast(Any, client.transport).resumeProducing()
        await client.lost
        (answer,) = read_answers(client.received)
        assert len(answer.json()["Value"]["text"]) == 2_000_000

    @asynchronous
    async def test_a_server_may_be_stopped_before_it_listened(self) -> None:
        """Its start failed."""
        await self.server().stopService()

    @asynchronous
    async def test_another_server_takes_the_place_of_one_that_ended(self) -> None:
        """A restart."""
        for _ in range(2):
            server = self.start()
            client = await self.connect()
            assert (await client.ask(LEAVE)).status == 200
            await server.stopService()
            await client.lost
