"""The socket of a Docker that is gone, in a container that has it mounted."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from nuage.docker.exchange import Exchange
from nuage.docker.mounts import is_removed
from nuage.errors import DockerRemoved, DockerUnreachable

HEAD = "121 99 254:0 "
TAIL = " ro,relatime - ext4 /dev/vda rw\n"
OTHERS = f"{HEAD}/ /{TAIL}{HEAD}/docker.sock//deleted /run/other.sock{TAIL}\n"


class MountsTests(SynchronousTestCase):
    """What /proc/self/mountinfo says."""

    def test_removed(self) -> None:
        """Only a mount at this very path whose file is gone counts; a path may have spaces."""
        for path, line, expected in (
            ("/run/docker.sock", "/docker.sock /run/docker.sock", False),
            ("/run/docker.sock", "/docker.sock//deleted /run/docker.sock", True),
            ("/run/docker.sock", "/docker.sock//deleted /run/docker.sock2", False),
            ("/run/a b/docker.sock", r"/docker.sock//deleted /run/a\040b/docker.sock", True),
            ("/run/other", "", False),
            # Only an ASCII space separates the words, and only a newline ends the line.
            ("/run/a\u00a0b\u2028c", "/docker.sock//deleted /run/a\u00a0b\u2028c", True),
        ):
            mounts = f"{OTHERS}{HEAD}{line}{TAIL}" if line else OTHERS
            self.assertEqual(is_removed(Path(path), mounts), expected, line)

    def test_the_last_one_counts(self) -> None:
        """It hides those that were mounted there before."""
        gone = f"{HEAD}/docker.sock//deleted /run/docker.sock{TAIL}"
        there = gone.replace("//deleted", "")
        self.assertTrue(is_removed(Path("/run/docker.sock"), there + gone))
        self.assertFalse(is_removed(Path("/run/docker.sock"), gone + there))

    def test_nonsense(self) -> None:
        """It says nothing of the socket."""
        for mounts in ("", "\n\n", "1 2 3\n", "x" * 1000):
            self.assertFalse(is_removed(Path("/run/docker.sock"), mounts))


class ExchangeTests(SynchronousTestCase):
    """What is said of a Docker that does not answer there."""

    def ask(self, address: str, mounts: str | bytes | None) -> Exception:
        """Ask a Docker that nobody listens for; return the error. There may be no /proc."""
        path = Path(self.mktemp())
        if mounts is not None:
            path.write_bytes(mounts.encode() if isinstance(mounts, str) else mounts)
        reactor = MemoryReactorClock()
        exchange = Exchange(reactor, address, reactor, 2, 1000, path)
        asked = Deferred.fromCoroutine(exchange.get("/networks", {}, 0))
        ((_, factory, *_),) = reactor.unixClients
        factory.clientConnectionFailed(None, Failure(ConnectError("refused")))
        error = self.failureResultOf(asked).value
        assert isinstance(error, Exception)
        return error

    def test_removed(self) -> None:
        """The message says what to do."""
        error = self.ask("unix:///run/docker.sock", f"{HEAD}/docker.sock//deleted /run/docker.sock{TAIL}")
        self.assertIsInstance(error, DockerRemoved)
        for part in (
            "GET /networks: no answer",
            "the socket that is mounted here is gone",
            "start this container again",
        ):
            self.assertIn(part, str(error))

    def test_there(self) -> None:
        """A Docker that is away for a moment is no more than that."""
        for mounts in (OTHERS, None, b"/srv/caf\xe9"):
            error = self.ask("unix:///run/docker.sock", mounts)
            self.assertIs(type(error), DockerUnreachable, error)

    def test_a_loop(self) -> None:
        """A symbolic link that leads to itself leads to no Docker."""
        path = Path(self.mktemp()).absolute()
        path.symlink_to(path)
        error = self.ask(f"unix://{path}", OTHERS)
        self.assertIs(type(error), DockerUnreachable, error)
