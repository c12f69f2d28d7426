"""What is loaded when, and how much memory that takes: what keeps a start short, without a clock."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import cast

from twisted.internet.interfaces import IProcessTransport
from twisted.internet.task import deferLater

from tests.http_support import asynchronous
from tests.test_tap import CommandCase, reactor

#: MiB that the daemon may hold once it has loaded everything, some 20 more than it does.
MOST_MEMORY = 85

_PRELUDE = """
import gc, socket, sys

def tell(event, arguments):
    if event == "import" and arguments[0] in ("nuage.service.plugin", "pyroute2", "sqlite3"):
        print(arguments[0], "is being loaded, the collector is", "on" if gc.isenabled() else "off", flush=True)
    if event == "socket.__new__" and arguments[1] == socket.AF_NETLINK:
        print("a netlink socket is opened", flush=True)

sys.addaudithook(tell)
"""


class StartTest(CommandCase):
    """The daemon as it starts."""

    prelude = f"exec({_PRELUDE!r})"

    @asynchronous
    async def test_what_is_loaded_when(self) -> None:
        """Docker does not wait for what only links need, no Join waits for it later, and nobody looks for garbage."""
        self.configure()
        daemon = await self.started()
        while "a netlink socket is opened" not in daemon.output:
            await deferLater(reactor, 0.01)
        status = Path(f"/proc/{cast(IProcessTransport, daemon.transport).pid}/status").read_text()
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended == signal.SIGTERM
        lines = (
            "nuage.service.plugin is being loaded, the collector is off",
            f"listening on {self.socket}",
            "pyroute2 is being loaded, the collector is on",
            "a netlink socket is opened",
        )
        places = [daemon.output.find(line) for line in lines]
        assert -1 not in places, daemon.output
        assert places == sorted(places), daemon.output
        # What a whole pyroute2 brings along.
        assert "sqlite3" not in daemon.output, daemon.output
        resident = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.M)
        assert resident is not None, status
        assert int(resident[1]) / 1024 < MOST_MEMORY, status
