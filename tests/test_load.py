"""A thousand endpoints on one host, and many that come and go. ``benchmarks/load.py`` shows the figures."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.trial.unittest import TestCase

from tests.load_support import Lines, Load

FEW, MANY = 10, 1000
CYCLES = 500
#: Lines of Python for each endpoint that an audit may run without letting the reactor go on.
_LINES = 430


class LoadTests(TestCase):
    """What the plugin needs by itself. What ovs-vswitchd takes to open a device grows with the number of ports."""

    timeout = 240

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        self.load = Load(reactor)
        self.addCleanup(lambda: ensureDeferred(self.load.stop()))
        return ensureDeferred(self.load.start())

    async def test_a_thousand_endpoints(self) -> None:
        """A hundred Joins at once succeed, ten times; a Join is no dearer then, and an audit holds nobody up."""
        await self.load.fill(FEW)
        few = await self.load.join_lines(8)
        await self.load.fill(MANY - 200)
        with self.memory() as grown:
            await self.load.fill(MANY)
        self.assertLess(grown[0] / 200, 20_000)
        self.assertEqual(len(self.load.vrs.vsctl("list-ports", "alubr0").split()), MANY)
        many = await self.load.join_lines(8)
        self.assertLess(many / few, 1.2)
        with Lines() as lines:
            longest = await self.load.longest_turn(lambda: lines.count)
        self.assertGreater(lines.count, MANY)
        self.assertLess(longest / MANY, _LINES)

    async def test_endpoints_that_come_and_go(self) -> None:
        """They leave no memory behind."""
        for number in range(100):
            await self.load.cycle(number)
        with self.memory() as grown:
            for number in range(CYCLES):
                await self.load.cycle(number)
        self.assertLess(grown[0] / CYCLES, 200)

    @contextmanager
    def memory(self) -> Iterator[list[int]]:
        """Note by how many bytes the memory in use grows."""
        grown: list[int] = []
        gc.collect()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before, _ = tracemalloc.get_traced_memory()
        yield grown
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        grown.append(after - before)
