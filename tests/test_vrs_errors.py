"""The database client's errors as those of the daemon."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nuage.config.settings import Config
from nuage.errors import ConfigurationError, NuageError, SwitchError
from nuage.ovsdb import errors
from nuage.service.daemon import Daemon
from nuage.service.machine import Machine
from nuage.vrs.errors import NotConnected, NotResolved, translated


class TranslatedTest(SynchronousTestCase):
    """What leaves the room of the VRS."""

    def translated(self, problem: Exception) -> Exception:
        """Return what becomes of an error."""
        with self.assertRaises(Exception) as caught, translated():
            raise problem
        return caught.exception

    def test_errors_of_the_database(self) -> None:
        """They keep their message and their cause, whatever they are."""
        for problem in (
            errors.ConnectionLost("transact", "gone"),
            errors.CallRejected("monitor", "unknown method", ""),
            errors.SchemaMismatch("no VRS"),
            errors.transaction_error("never heard of"),
        ):
            self.assertNotIsInstance(problem, NuageError)
            found = self.translated(problem)
            self.assertIs(type(found), SwitchError)
            self.assertEqual((str(found), found.__cause__), (str(problem), problem))

    def test_no_connection(self) -> None:
        """It stays one that can be told from others."""
        found = self.translated(errors.NotConnected("away"))
        self.assertIs(type(found), NotConnected)
        self.assertEqual(str(found), "away")

    def test_others(self) -> None:
        """Errors of the switch itself, and bugs, pass."""
        for problem in (NotResolved("late"), SwitchError("no"), ValueError("a bug")):
            self.assertIs(self.translated(problem), problem)

    def test_files_that_cannot_be_used(self) -> None:
        """The configuration is what has to be corrected."""
        file = Path(self.mktemp())
        file.write_text("no key")
        config = Config(
            vrs_endpoint="ssl:192.0.2.1:6640", vrs_private_key=file, vrs_certificate=file, vrs_ca_certificate=file
        )
        with self.assertRaisesRegex(ConfigurationError, "holds no private key in PEM"):
            Daemon(Clock(), config, Machine())
