"""The daemon's threads, without any: their work is done when chance has it, one piece at a time.

Each pool works in the order in which it was asked. A result comes back somewhat later, when that pool may have done
its next piece already; the results of one pool come in order. Between two requests to the kernel another pool may do a
piece of its own, as threads of equal rights would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from tests.simulation.chance import Chance
from tests.simulation.reactor import SimReactor

#: Seconds until a piece is begun, and until its result comes back, at most.
_LONGEST_WAIT, _LONGEST_WAY_BACK = 0.02, 0.005
#: How often another pool works between two requests of one that is at work.
_PREEMPTED = 0.2
#: Requests to the kernel that a thread of a dying process still makes, at most.
_LAST_REQUESTS = 6

_OnResult = Callable[[bool, Any], object]


class Killed(BaseException):
    """The process dies in the midst of a piece of work, which sees nothing of it."""


class Threads:
    """All threads of one process.

    Args:
        reactor: The reactor of that process.
        chance: Draws when they work.

    Attributes:
        pools: By their names. The one that everybody in the process may use is ``reactor``.
    """

    def __init__(self, reactor: SimReactor, chance: Chance) -> None:
        self.reactor = reactor
        self.chance = chance
        self.pools: dict[str, Pool] = {}
        self._working: list[Pool] = []
        self._requests_left: int | None = None
        reactor.process.before_death.append(self._die)
        reactor.thread_pool = self.make_pool("reactor")
        reactor.thread_pool.start()

    def make_pool(self, name: str) -> Pool:
        """Return a pool of one thread, not yet started."""
        pool = self.pools[name] = Pool(self, name)
        return pool

    def between(self) -> None:
        """Let others work. To be called by each request that a piece of work makes to the kernel.

        Raises:
            Killed: The process dies here.
        """
        if self._requests_left is not None:
            if not self._requests_left:
                raise Killed
            self._requests_left -= 1
        elif self._working and self.chance.happens(_PREEMPTED):
            ready = [pool for pool in self.pools.values() if pool.waiting and pool not in self._working]
            if ready:
                self.chance.pick(ready).work()

    def run(self, pool: Pool, work: Callable[[], Any]) -> tuple[bool, Any]:
        """Do a piece of work; return whether it succeeded, and its result."""
        self._working.append(pool)
        try:
            return True, work()
        except Exception:
            return False, Failure()
        except Killed as death:
            return False, death
        finally:
            self._working.pop()

    def _die(self) -> None:
        """Die with the process: each thread may make some requests more, and is then in the midst of its work."""
        for pool in self.pools.values():
            self._requests_left = self.chance.number(0, _LAST_REQUESTS)
            while pool.waiting and self._requests_left:
                pool.work()
            pool.started = False


class Pool:
    """A thread: what the daemon uses of ``twisted.python.threadpool.ThreadPool``.

    Args:
        threads: It is one of these.
        name: Its name.

    Attributes:
        held: Whether the kernel does not answer it: it is stuck in its next piece of work.
        started: Whether it was started and not stopped.
    """

    _log = Logger()

    def __init__(self, threads: Threads, name: str) -> None:
        self.name = name
        self.held = False
        self.started = False
        self._threads = threads
        self._queue: deque[tuple[_OnResult | None, Callable[[], Any]]] = deque()
        self._next: IDelayedCall | None = None
        self._results: deque[tuple[_OnResult, bool, Any]] = deque()

    @property
    def waiting(self) -> bool:
        """Whether it has work to do, and may do it."""
        return bool(self._queue) and self.started and not self.held

    def start(self) -> None:
        """See ``ThreadPool``."""
        self.started = True
        self._wake()

    def stop(self) -> None:
        """See ``ThreadPool``, which does what it was asked for first. Nothing is left of what waits for a result."""
        while self.waiting:
            self.work()
        self.started = False

    def hold(self) -> None:
        """Have the kernel not answer it."""
        self.held = True

    def release(self) -> None:
        """Have the kernel answer it again."""
        self.held = False
        self._wake()

    def callInThread(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """See ``ThreadPool``."""
        self.callInThreadWithCallback(None, func, *args, **kwargs)

    def callInThreadWithCallback(
        self, onResult: _OnResult | None, func: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        """See ``ThreadPool``."""
        self._queue.append((onResult, lambda: func(*args, **kwargs)))
        self._wake()

    def work(self) -> None:
        """Do the next piece of work now."""
        on_result, work = self._queue.popleft()
        succeeded, result = self._threads.run(self, work)
        if isinstance(result, Killed):
            return
        if on_result is not None:
            self._come_back(on_result, succeeded, result)
        elif not succeeded:
            self._log.failure("in thread {name}", result, name=self.name)
        self._wake()

    def _come_back(self, on_result: _OnResult, succeeded: bool, result: Any) -> None:
        self._results.append((on_result, succeeded, result))
        self._threads.reactor.callLater(self._threads.chance.delay(0, _LONGEST_WAY_BACK), self._came_back)

    def _came_back(self) -> None:
        # The first of them, whichever was under way for the shortest time.
        on_result, succeeded, result = self._results.popleft()
        on_result(succeeded, result)

    def _wake(self) -> None:
        if self.waiting and (self._next is None or not self._next.active()):
            delay = self._threads.chance.delay(0, _LONGEST_WAIT)
            self._next = self._threads.reactor.callLater(delay, self._wakened)

    def _wakened(self) -> None:
        # Another pool's work may have let it do its own already.
        if self.waiting:
            self.work()
