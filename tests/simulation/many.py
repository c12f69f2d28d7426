"""Many seeds, one after the other or several at once, until it is enough."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import FrameType

from tests.simulation.run import run_briefly
from tests.simulation.seen import Outcome

_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)


class Allowance:
    """How long seeds are begun: for some time, and not after an interruption.

    Args:
        seconds: The time.

    Attributes:
        interrupted: Whether somebody has interrupted.
    """

    def __init__(self, seconds: float) -> None:
        self.interrupted = False
        self._end = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether no more seeds are to be begun."""
        return time.monotonic() >= self._end

    def end(self) -> None:
        """Begin no more."""
        self._end = 0.0

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM for the end, and what is at hand is finished. The second one is as always."""
        before = {number: signal.getsignal(number) for number in _INTERRUPTIONS}

        def interrupt(number: int, _frame: FrameType | None) -> None:
            signal.signal(number, before[signal.Signals(number)])
            print("interrupted: no more seeds are begun", flush=True)
            self.interrupted = True
            self.end()

        for number in _INTERRUPTIONS:
            signal.signal(number, interrupt)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def outcomes(seeds: Iterator[int], weather: str, jobs: int, allowance: Allowance) -> Iterator[Outcome]:
    """Run seeds, each job in a process of its own, and yield what comes of them.

    Args:
        seeds: Which.
        weather: What their faults are like.
        jobs: How many run at once.
        allowance: How long they are begun.
    """
    if jobs == 1:
        while not allowance.over and (seed := next(seeds, None)) is not None:
            yield run_briefly(seed, weather)
        return
    # Forked, they have no global reactor either.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), _begin_job) as pool:
        try:
            # Each process has the next one at hand.
            yield from _at_once(pool, seeds, weather, 2 * jobs, allowance)
        except BrokenProcessPool:
            # Who ends the processes of a command all at once, as timeout(1) does, ends these too.
            if not allowance.interrupted:
                raise


def _at_once(
    pool: ProcessPoolExecutor, seeds: Iterator[int], weather: str, most: int, allowance: Allowance
) -> Iterator[Outcome]:
    running: set[Future[Outcome]] = set()
    try:
        while True:
            while len(running) < most and not allowance.over and (seed := next(seeds, None)) is not None:
                running.add(pool.submit(run_briefly, seed, weather))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    finally:
        for future in running:
            future.cancel()


def _begin_job() -> None:
    """Leave it to the parent what an interruption from the keyboard means, which all get."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
