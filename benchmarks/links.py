"""How much memory of the plugin's own process is lost as links come and go.

The links are real, in a network namespace that lives as long as this program. It needs root.

    python benchmarks/links.py --cycles 10000
"""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from nuage.links.kernel import Kernel
from nuage.links.links import Links
from tests.test_links import ALIAS, END, HOST, WANTED, enter, new_namespace

reactor: Any = _reactor
_STEPS = 10


def _resident() -> int:
    """Return the memory of this process that is in use, in KiB."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


async def _measure(cycles: int) -> None:
    namespace = new_namespace()

    def open_netlink() -> Any:
        enter(namespace)
        return Kernel()

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


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=10_000)
    cycles = parser.parse_args().cycles
    react(lambda _reactor: Deferred.fromCoroutine(_measure(cycles)))


if __name__ == "__main__":
    main()
