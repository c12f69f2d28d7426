"""What links that come and go leave behind in the plugin's process: ``python -m benchmarks.links [CYCLES]``, as root.

The links are real ones, in a network namespace that lives as long as this program.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.task import react

from nuage.links import Links
from tests.test_links import ALIAS, END, HOST, WANTED, enter, new_namespace

reactor: Any = _reactor
_STEPS = 10


def _resident() -> int:
    """Return the memory of this process that is in use, in KiB."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


async def _measure(_reactor: object) -> None:
    cycles = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    namespace = new_namespace()

    def open_netlink() -> Any:
        from pyroute2 import IPRoute

        enter(namespace)
        return IPRoute()

    links = Links(reactor, reactor, open_netlink)
    links.start()

    async def cycle() -> None:
        await links.create_pair(HOST, END, **WANTED)
        await links.remove(HOST, ALIAS)
        # Docker's DeleteEndpoint follows its Leave: the link is gone already.
        await links.remove(HOST, ALIAS)

    for _ in range(cycles // _STEPS):
        await cycle()
    first = _resident()
    for step in range(1, _STEPS):
        for _ in range(cycles // _STEPS):
            await cycle()
        grown = _resident() - first
        done = step * (cycles // _STEPS)
        print(f"{done} cycles: {grown} KiB, {1024 * grown / done:.0f} bytes a cycle", flush=True)
    await links.stop()


if __name__ == "__main__":
    react(_measure)
