"""``twistd`` for a daemon that kills itself at a step between RequestAddress and Join.

    python killed_at.py FILE STEP before|after AGE ARGUMENTS OF TWISTD…

A step is whatever the daemon sends to anybody (Docker, the VSD, the switch), and the making of the links. They are
counted from the first request for a container's address to the answer to a Join. The daemon is killed before or after
the one of that number; the file says then which it was. If there are not so many, it says how many there are.

AGE is the seconds for which an address must have been used by nobody before it is given back: minutes are too long for
a test. 0 leaves it as it is.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import tcp, unix
from twisted.scripts import twistd
from twisted.web.http import Request

from nuage.ipam import leftovers
from nuage.links.links import Links

_FIRST, _LAST = b"/IpamDriver.RequestAddress", b"/NetworkDriver.Join"


class _Steps:
    """Counts steps, and ends the process at one of them."""

    def __init__(self, file: Path, fatal: int, moment: str) -> None:
        self._file = file
        self._fatal = fatal
        self._moment = moment
        self._counting = False
        self._number = 0

    def begin(self) -> None:
        """Begin to count, unless it was begun."""
        self._counting = True

    def end(self) -> None:
        """Count no more."""
        self._counting = False
        self._file.write_text(str(self._number))

    def at_step(self, what: str, do: Callable[[], Any]) -> Any:
        """Make a step, or die before or after it."""
        if not self._counting:
            return do()
        self._number += 1
        if self._number != self._fatal:
            return do()
        self._file.write_text(f"{self._moment} step {self._number}, {what}")
        if self._moment == "after":
            do()
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("the process has ended")


def _watch(steps: _Steps) -> None:
    requested, finish = Request.requestReceived, Request.finish

    def request_received(self: Any, command: bytes, path: bytes, version: bytes) -> None:
        if path == _FIRST:
            steps.begin()
        requested(self, command, path, version)

    def finished(self: Any) -> None:
        finish(self)
        if self.path == _LAST:
            # Its answer is written by then, and sent after this.
            from twisted.internet import reactor

            reactor.callLater(0.2, steps.end)

    Request.requestReceived, Request.finish = request_received, finished  # type: ignore[method-assign]

    for connection in (tcp.Connection, unix._SendmsgMixin):
        _watch_sending(steps, connection)

    create_pair = Links.create_pair

    async def pair_created(self: Links, *names: str, **how: Any) -> None:
        steps.at_step("before the links", lambda: None)
        await create_pair(self, *names, **how)
        steps.at_step("after the links", lambda: None)

    Links.create_pair = pair_created  # type: ignore[method-assign]


def _watch_sending(steps: _Steps, connection: Any) -> None:
    send = connection.writeSomeData

    def sent(self: Any, data: bytes) -> Any:
        begin = bytes(data[:40])
        what = begin.decode().splitlines()[0] if begin.isascii() else f"{len(data)} bytes of TLS"
        return steps.at_step(what, lambda: send(self, data))

    connection.writeSomeData = sent


def main(arguments: list[str]) -> None:
    """Run twistd."""
    file, fatal, moment, age, *words = arguments
    if age != "0":
        leftovers._INTERVAL = leftovers._AGE = float(age)
    _watch(_Steps(Path(file), int(fatal), moment))
    sys.argv = ["twistd", *words]
    twistd.run()


if __name__ == "__main__":
    main(sys.argv[1:])
