"""What it costs the plugin to be looked at: by Prometheus, by the page, by ``status`` and ``diagnose``.

Plugins run at once, each with a switch and a Docker of its own (see ``cycle.py``). One has no endpoint and the others
have many, which were created and not joined; a report has the same of those. One of these is scraped each second while
containers come and go, one has the page open too, and one is scraped just before each Join, which is the worst that can
happen. Rounds alternate between them, so that a busy machine burdens all alike.

    python benchmarks/looked_at.py --endpoints 1000 --rounds 40
"""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.cycle import Plugin

#: What is asked for, and the requests whose processor time is measured together.
_TOGETHER = {"/metrics": 20, "/status": 2, "/": 2, "/diagnose": 1}
#: Scrapes before memory is looked at for the second time.
_MANY = 1000
#: Seconds for which a listener's events are watched, and events in a second.
_WATCHED, _TICKS = 20.0, 2


def ask(connection: HTTPConnection, path: str = "/metrics") -> tuple[float, int]:
    """Ask once; return the seconds that it took, and the bytes of the answer."""
    start = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise RuntimeError(f"{path}: {response.status}")
    return time.perf_counter() - start, len(content)


@contextmanager
def scraped(plugin: Plugin) -> Iterator[None]:
    """Have a plugin scraped each second."""
    ended = threading.Event()

    def go_on() -> None:
        connection = plugin.control()
        while not ended.wait(1):
            ask(connection)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def listened_to(plugin: Plugin) -> Iterator[None]:
    """Have a page open, which listens to events."""
    connection = plugin.control()
    ask(connection, "/")
    connection.request("GET", "/events")
    response = connection.getresponse()

    def read() -> None:
        with suppress(OSError, HTTPException):
            while response.read1(65536):
                pass

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        connection.sock.shutdown(socket.SHUT_RDWR)
        thread.join()
        connection.close()


def measure_answers(name: str, plugin: Plugin, rounds: int) -> None:
    """Print what each kind of answer takes."""
    connection = plugin.control()
    for path, together in _TOGETHER.items():
        ask(connection, path)
        costs, times, size = [], [], 0
        for _ in range(rounds):
            before = plugin.spent()
            for _ in range(together):
                took, size = ask(connection, path)
                times.append(took)
            costs.append((plugin.spent() - before) / together)
        times.sort()
        print(
            f"{name}, {path:9} {size / 1000:6.0f} kB, {statistics.median(costs) * 1000:7.2f} ms of the processor, "
            f"{statistics.median(times) * 1000:7.2f} ms, 95 % {times[len(times) * 95 // 100] * 1000:7.2f} ms"
        )


def measure_events(listened: Plugin, silent: Plugin) -> None:
    """Print what a listener costs while nothing changes: the difference between two plugins that do nothing else."""
    before = listened.spent() - silent.spent()
    with listened_to(listened):
        began = listened.spent() - silent.spent()
        time.sleep(_WATCHED)
        cost = (listened.spent() - silent.spent() - began) / (_WATCHED * _TICKS)
    print(f"a listener: {(began - before) * 1000:.1f} ms with the page, then {cost * 1000:.2f} ms each half second")


def measure_memory(plugin: Plugin) -> None:
    """Print by how much many scrapes let the plugin grow."""
    connection, before = plugin.control(), plugin.resident()
    for _ in range(_MANY):
        ask(connection)
    print(f"memory: {before / 1024:.1f} MiB, and {plugin.resident() - before} KiB more after {_MANY} scrapes")


def measure_joins(plugins: dict[str, Plugin], rounds: int) -> None:
    """Print what a Join takes while somebody looks, or nobody."""
    joins: dict[str, list[float]] = {name: [] for name in plugins}
    connection = plugins["just before"].control()
    watched = plugins["with a page"]
    with scraped(plugins["each second"]), scraped(watched), listened_to(watched):
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
        plugins = {name: Plugin(stack) for name in ("never", "each second", "just before", "with a page")}
        for plugin in plugins.values():
            for number in range(arguments.endpoints):
                plugin.create(number + 10_000)
        measure_answers("no endpoint", empty, arguments.rounds)
        measure_answers(f"{arguments.endpoints} endpoints", plugins["never"], arguments.rounds)
        measure_events(plugins["with a page"], plugins["each second"])
        measure_joins(plugins, arguments.rounds)
        measure_memory(plugins["never"])


if __name__ == "__main__":
    main()
