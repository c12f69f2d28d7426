"""What Prometheus costs the plugin: processor time and duration of a scrape, memory, and what a Join waits for one.

Plugins run at once, each with a switch and a Docker of its own (see ``cycle.py``). One has no endpoint and the others
have many, which were created and not joined; a report has the same of those. One of these is scraped each second while
containers come and go, and one just before each Join, which is the worst that can happen. Rounds alternate between
them, so that a busy machine burdens all alike.

    python benchmarks/scrape.py --endpoints 1000 --rounds 40
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.cycle import Plugin

#: Scrapes whose processor time is measured together, and how many before memory is looked at for the second time.
_TOGETHER, _MANY = 20, 1000


def scrape(connection: HTTPConnection, path: str = "/metrics") -> float:
    """Scrape once, and return the seconds that it took."""
    start = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        raise RuntimeError(f"{path}: {response.status}")
    return time.perf_counter() - start


@contextmanager
def scraped(plugin: Plugin) -> Iterator[None]:
    """Have a plugin scraped each second."""
    ended = threading.Event()

    def go_on() -> None:
        connection = plugin.control()
        while not ended.wait(1):
            scrape(connection)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def measure_scrapes(name: str, plugin: Plugin, rounds: int) -> None:
    """Print what a scrape takes."""
    connection = plugin.control()
    scrape(connection)
    costs, times = [], []
    for _ in range(rounds):
        before = plugin.spent()
        times += [scrape(connection) for _ in range(_TOGETHER)]
        costs.append((plugin.spent() - before) / _TOGETHER)
    times.sort()
    print(
        f"{name}: a scrape takes {statistics.median(costs) * 1000:.2f} ms of the processor, "
        f"{statistics.median(times) * 1000:.2f} ms, 95 % {times[len(times) * 95 // 100] * 1000:.2f} ms"
    )


def measure_memory(plugin: Plugin) -> None:
    """Print by how much many scrapes let the plugin grow."""
    connection, before = plugin.control(), plugin.resident()
    for _ in range(_MANY):
        scrape(connection)
    print(f"memory: {before / 1024:.1f} MiB, and {plugin.resident() - before} KiB more after {_MANY} scrapes")


def measure_joins(plugins: dict[str, Plugin], rounds: int) -> None:
    """Print what a Join takes without a scraper, with one each second, and with a scrape just before it."""
    joins: dict[str, list[float]] = {name: [] for name in plugins}
    connection = plugins["just before"].control()
    with scraped(plugins["each second"]):
        for number in range(rounds):
            for name, plugin in plugins.items():
                at_join = (lambda: connection.request("GET", "/metrics")) if name == "just before" else lambda: None
                joins[name].append(plugin.cycle(number, at_join)[1])
                if name == "just before":
                    connection.getresponse().read()
    for name, took in joins.items():
        took.sort()
        late = took[len(took) * 95 // 100]
        print(f"Join, scraped {name:12} {statistics.median(took) * 1000:6.2f} ms, 95 % {late * 1000:6.2f} ms")


def main() -> None:
    """Start the plugins, measure, report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoints", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        empty = Plugin(stack)
        plugins = {name: Plugin(stack) for name in ("never", "each second", "just before")}
        for plugin in plugins.values():
            for number in range(arguments.endpoints):
                plugin.create(number + 10_000)
        measure_scrapes("no endpoint", empty, arguments.rounds)
        measure_scrapes(f"{arguments.endpoints} endpoints", plugins["never"], arguments.rounds)
        measure_joins(plugins, arguments.rounds)
        measure_memory(plugins["never"])


if __name__ == "__main__":
    main()
