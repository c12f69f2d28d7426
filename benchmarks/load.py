"""What many endpoints on one host cost the plugin: time of a Join, memory, the reactor during an audit.

The database and the switch are real, and their devices are dummies. There is no dockerd, which would be the limit. This
measures only the plugin's own process. ``tests/test_load.py`` checks the same promises with smaller numbers.

    python benchmarks/load.py --endpoints 1000 --cycles 10000
"""

from __future__ import annotations

import argparse
import gc
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.load_support import Load

FEW = 10
SAMPLES = 20
AUDITS = 10
#: Cycles before memory is looked at, so that what is made only once has been made.
WARM_UP = 1000


def resident() -> int:
    """Return the memory of this process in bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def measure_endpoints(load: Load, count: int) -> None:
    """Attach many endpoints, and compare a Join among few with one among many."""
    await load.fill(FEW)
    few = await load.join_cost(SAMPLES)
    before, start = resident(), time.perf_counter()
    await load.fill(count)
    print(
        f"{count - FEW} endpoints, 100 Joins at once: {time.perf_counter() - start:.1f} s, the switch's part included"
    )
    print(f"memory: {(resident() - before) / (count - FEW) / 1000:.1f} KB per endpoint")
    many = await load.join_cost(SAMPLES)
    for number, cost in ((FEW, few), (count, many)):
        print(
            f"Join at {number:5} endpoints: {cost.seconds * 1000:.2f} ms of the processor, {cost.lines} lines of Python"
        )
    print(f"ratio {many.seconds / few.seconds:.2f} in time, {many.lines / few.lines:.2f} in lines")
    first, *later = [await load.longest_turn() * 1000 for _ in range(AUDITS)]
    print(
        f"longest turn of the reactor in an audit: {statistics.median(later):.1f} ms of the processor, "
        f"{first:.1f} ms in the first"
    )


async def measure_cycles(load: Load, count: int) -> None:
    """Attach and detach again and again."""
    for number in range(WARM_UP):
        await load.cycle(number)
    before, start = resident(), time.perf_counter()
    for number in range(count):
        await load.cycle(number)
    took, grown = time.perf_counter() - start, resident() - before
    print(f"{count} times attached and detached: {took:.1f} s, memory grew by {grown / 1000:.0f} KB")


async def measure(reactor: Any, endpoints: int, cycles: int) -> None:
    """Measure everything, each on a switch of its own."""
    for measurement, count in ((measure_cycles, cycles), (measure_endpoints, endpoints)):
        load = Load(reactor)
        try:
            await load.start()
            await measurement(load, count)
        finally:
            await load.stop()


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoints", type=int, default=1000)
    parser.add_argument("--cycles", type=int, default=10_000)
    arguments = parser.parse_args()
    react(lambda reactor: Deferred.fromCoroutine(measure(reactor, arguments.endpoints, arguments.cycles)))


if __name__ == "__main__":
    main()
