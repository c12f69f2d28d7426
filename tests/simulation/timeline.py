"""Virtual time: events happen one at a time, and each belongs to a process that can be killed or frozen between two."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

#: Seconds that each event takes at least. Without them somebody who waits until a moment that rounding puts right
#: before now would wait again and again, and time would stand still.
_MOMENT = 1e-6


class Process:
    """Who events belong to.

    Attributes:
        alive: Nothing of a dead process happens any more.
        frozen: What would happen to a frozen process waits until it is thawed.
        steps: How many events of it have happened.
        remains: What a dead process left: it stays referenced, so that no ``finally`` of it runs at a time that the
            garbage collector chooses.
        before_death: Called when the process dies: what its threads do until the very end.
    """

    def __init__(self, timeline: Timeline, name: str) -> None:
        self.timeline = timeline
        self.name = name
        self.alive = True
        self.frozen = False
        self.steps = 0
        self.remains: list[Any] = []
        self.before_death: list[Callable[[], None]] = []
        self._held: list[Event] = []
        self._countdown: tuple[int, Callable[[], None]] | None = None

    def die(self) -> None:
        """Drop all that was still to happen."""
        for last in self.before_death:
            last()
        self.alive = False
        self.timeline.graves.append(self)
        self._countdown = None
        self.remains += self.timeline.take_events(self) + self._held
        self._held = []

    def freeze(self) -> None:
        """Stop, as after SIGSTOP."""
        self.frozen = True

    def thaw(self) -> None:
        """Go on: what was missed happens now, in its order."""
        self.frozen = False
        held, self._held = self._held, []
        for event in held:
            if event.active():
                self.timeline.put(event, 0.0)

    def after_steps(self, count: int, action: Callable[[], None]) -> None:
        """Call ``action`` between two events of this process, after ``count`` more of them."""
        self._countdown = (self.steps + count, action)

    def happen(self, event: Event) -> None:
        """Let an event happen, or hold it back."""
        if self.frozen:
            self._held.append(event)
            return
        event.happen()
        self.steps += 1
        if self._countdown is not None and self.steps >= self._countdown[0]:
            (_, action), self._countdown = self._countdown, None
            action()

    def events(self) -> list[Event]:
        """Return what is still to happen."""
        return [*self.timeline.events_of(self), *(each for each in self._held if each.active())]


@implementer(IDelayedCall)
class Event:
    """Something that happens at a time, unless it is cancelled before."""

    __slots__ = ("_state", "arguments", "keywords", "process", "sequence", "time", "work")

    _log = Logger()

    def __init__(
        self, process: Process, work: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        self.process = process
        self.work = work
        self.arguments = arguments
        self.keywords = keywords
        self.time = 0.0
        self.sequence = 0
        self._state = ""

    def active(self) -> bool:
        """See IDelayedCall."""
        return not self._state

    def getTime(self) -> float:
        """See IDelayedCall."""
        return self.time

    def cancel(self) -> None:
        """See IDelayedCall."""
        self._must_be_active()
        self._state = "cancelled"

    def delay(self, secondsLater: float) -> None:
        """See IDelayedCall."""
        self.reset(self.time - self.process.timeline.now + secondsLater)

    def reset(self, secondsFromNow: float) -> None:
        """See IDelayedCall."""
        self._must_be_active()
        self.process.timeline.put(self, secondsFromNow)

    def stretch(self, factor: float) -> None:
        """Multiply the time that is left until it happens."""
        self.reset(factor * max(0.0, self.time - self.process.timeline.now))

    def happen(self) -> None:
        """Do the work. As in each reactor, what it raises goes to the log."""
        self._state = "called"
        try:
            self.work(*self.arguments, **self.keywords)
        except Exception:
            self._log.failure("an event of {process} raised", Failure(), process=self.process.name)

    def _must_be_active(self) -> None:
        if self._state:
            raise (AlreadyCancelled if self._state == "cancelled" else AlreadyCalled)


class Timeline:
    """All events, in the order of their time; those of one instant in the order in which they were asked for.

    Attributes:
        now: Seconds since the beginning.
        graves: The dead processes.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.graves: list[Process] = []
        self._count = 0
        self._heap: list[tuple[float, int, Event]] = []

    def put(self, event: Event, delay: float) -> None:
        """Let an event happen ``delay`` seconds from now. An event that has its place already changes it."""
        self._count = event.sequence = self._count + 1
        event.time = self.now + delay
        heappush(self._heap, (event.time, event.sequence, event))

    def step(self, until: float) -> bool:
        """Let the next event happen, unless it comes later than ``until``. Return whether there was one."""
        heap = self._heap
        while heap:
            time, sequence, event = heap[0]
            if time > until:
                return False
            heappop(heap)
            if event.sequence == sequence and event.active():
                self.now = max(self.now + _MOMENT, time)
                event.process.happen(event)
                return True
        return False

    def events_of(self, process: Process) -> list[Event]:
        """Return the events of a process that are still to happen, in their order."""
        ours = (entry for entry in self._heap if entry[2].process is process and entry[2].sequence == entry[1])
        return [event for _, _, event in sorted(ours, key=lambda entry: entry[:2]) if event.active()]

    def take_events(self, process: Process) -> list[Event]:
        """Remove the events of a process, and return them."""
        taken = self.events_of(process)
        self._heap = [entry for entry in self._heap if entry[2].process is not process]
        heapify(self._heap)
        return taken
