"""What the lab's VSD listens at."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import subprocess
import urllib.request
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from lab.standin import TOPOLOGY
from lab.vsd.service import Door, Settings, Vsd


def ask(url: str, ca: Path) -> str:
    """Return who one is, by a client that checks the certificate as strictly as it can."""
    context = ssl.create_default_context(cafile=str(ca))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    request = urllib.request.Request(f"{url}/nuage/api/v6/me")
    request.add_header("Authorization", f"XREST {base64.b64encode(b'csproot:csproot').decode()}")
    request.add_header("X-Nuage-Organization", "csp")
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
        return str(json.load(answer)[0]["userName"])


def connect(url: str) -> ssl.SSLSocket:
    """Return a connection."""
    plain = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 10)
    return ssl._create_unverified_context().wrap_socket(plain)


def speak_plainly(url: str) -> bytes:
    """Return what is answered to HTTP without TLS."""
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 10) as plain:
        plain.sendall(b"GET /nuage/api/v6/me HTTP/1.1\r\nHost: x\r\n\r\n")
        return plain.recv(100)


def read(connection: ssl.SSLSocket) -> bytes:
    """Return what comes next on a connection, nothing if it ends."""
    try:
        return connection.recv(1)
    except (ConnectionError, ssl.SSLError):
        return b""


class ListeningTests(TestCase):
    """Doors, certificates, and that it goes and comes back."""

    timeout = 30

    def setUp(self) -> None:
        """Prepare a folder."""
        self.folder = Path(self.mktemp())

    def start(self, *doors: Door) -> Vsd:
        """Start it."""
        vsd = Vsd(reactor, Settings(topology=TOPOLOGY, folder=self.folder, doors=doors))
        vsd.startService()
        self.addCleanup(vsd.stopService)
        return vsd

    async def asked(self, vsd: Vsd) -> str:
        """Ask at its first door."""
        return await deferToThread(ask, vsd.urls[0], self.folder / "ca.pem")

    async def test_certificate(self) -> None:
        """It is good for the names that the VSD is called by, and stays over restarts."""
        vsd = self.start(Door())
        self.assertEqual(await self.asked(vsd), "csproot")
        self.assertEqual((self.folder / "url").read_text().strip(), vsd.urls[0])
        self.assertEqual((self.folder / "key.pem").stat().st_mode & 0o777, 0o600)
        ca = (self.folder / "ca.pem").read_bytes()
        by_address = vsd.urls[0].replace("localhost", "127.0.0.1")
        self.assertEqual(await deferToThread(ask, by_address, self.folder / "ca.pem"), "csproot")
        other = self.start(Door())
        self.assertEqual((self.folder / "ca.pem").read_bytes(), ca)
        self.assertEqual(await self.asked(other), "csproot")

    async def test_goes_and_comes_back(self) -> None:
        """While it is away nobody is answered; it comes back at the same port, with all that it had."""
        vsd = self.start(Door())
        (url,) = vsd.urls
        connection = await deferToThread(connect, url)
        self.addCleanup(connection.close)
        await vsd.leave()
        self.assertEqual(await deferToThread(read, connection), b"")
        self.assertFalse((self.folder / "url").exists())
        refusal = await self.assertFailure(deferToThread(ask, url, self.folder / "ca.pem"), OSError)
        self.assertIn("refused", str(refusal))
        zone = next(iter(vsd.directory.below(vsd.directory.root, "zones").values()))
        vsd.directory.change(zone, {"description": "kept"})
        vsd.come_back()
        vsd.come_back()
        self.assertEqual(vsd.urls, [url])
        self.assertEqual(await self.asked(vsd), "csproot")
        self.assertEqual(zone["description"], "kept")

    async def test_namespace(self) -> None:
        """It can be reached from within a network namespace, and lets go of that."""
        name = f"vsd-{os.getpid()}"
        for words in (("ip", "netns", "add", name), ("ip", "-n", name, "link", "set", "lo", "up")):
            subprocess.run(words, check=True)
        self.addCleanup(subprocess.run, ("ip", "netns", "delete", name), check=True)
        vsd = self.start(Door(), Door(8443, name), Door(1, "nowhere"))
        self.assertEqual(vsd.urls[1:], ["https://localhost:8443"])
        script = f"""
import socket, ssl
context = ssl.create_default_context(cafile={str(self.folder / "ca.pem")!r})
context.wrap_socket(socket.create_connection(("localhost", 8443)), server_hostname="localhost")
"""
        words = ("ip", "netns", "exec", name, "/usr/bin/python3", "-c", script)
        done = await deferToThread(subprocess.run, words, capture_output=True, timeout=20)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    async def test_no_tls(self) -> None:
        """Who does not speak TLS is sent away, and nothing of it is logged as a fault."""
        vsd = self.start(Door())
        self.assertNotIn(b"200", await deferToThread(speak_plainly, vsd.urls[0]))
        self.assertEqual(await self.asked(vsd), "csproot")

    async def test_door_that_is_taken(self) -> None:
        """It is logged, and the others are open."""
        first = self.start(Door())
        port = int(first.urls[0].rpartition(":")[2])
        second = self.start(Door(port), Door())
        self.assertEqual(len(second.urls), 1)

    def test_doors(self) -> None:
        """They are named by a port, and by a namespace where it is another one."""
        self.assertEqual(Door.parse("8443@h1"), Door(8443, "h1"))
        self.assertEqual(Door.parse("0"), Door())
        self.assertRaises(ValueError, Door.parse, "h1")
