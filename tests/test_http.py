"""What there is of an answer over HTTP."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from nuage.http import Response
from nuage.vsd.answers import total


class HeaderTests(SynchronousTestCase):
    """A header of an answer."""

    def test_value(self) -> None:
        """The first one counts, in whatever capitals; without one it is empty."""
        response = Response(200, "OK", b"", Headers({b"Server": [b"one", b"two"]}))
        self.assertEqual(response.header("server"), "one")
        self.assertEqual(response.header("Date"), "")

    def test_not_text(self) -> None:
        """It is no error, and no number either."""
        response = Response(200, "OK", b"", Headers({b"X-Nuage-Count": [b"7\xff"]}))
        self.assertEqual(response.header("X-Nuage-Count"), "7\ufffd")
        self.assertIsNone(total(response))
