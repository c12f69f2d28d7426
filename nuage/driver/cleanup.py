"""Clean-up that is not given up: what cannot be done now is done once the switch, or the VSD, is back.

Docker never asks twice for a Leave or a DeleteEndpoint, and gives the address to the next container whether they
succeeded or not. So such a call succeeds outwardly, and is finished here until it is true.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from nuage.driver.turns import Turns
from nuage.errors import NuageError, SwitchError
from nuage.told import Told

Step = Callable[[], Awaitable[None]]

#: Seconds between two attempts while the switch or the VSD is there and yet refuses.
_RETRY_DELAY = 5.0


class Cleanup:
    """Steps of clean-up by subject; a later step about a subject takes the place of an earlier one.

    Args:
        clock: Measures the pause between attempts.
        turns: A subject's turn is taken before its step is tried again.
        put_off: The errors with which a step is put off, and tried again; of others the caller is told as well.
        what: What the subjects are, for messages.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        turns: Turns,
        put_off: tuple[type[NuageError], ...] = (SwitchError,),
        what: str = "endpoints and networks",
    ) -> None:
        self._clock = clock
        self._turns = turns
        self._expected = put_off
        self._what = what
        self._steps: dict[str, Step] = {}
        self._put_off: set[str] = set()
        self._told = Told()
        self._retry: IDelayedCall | None = None

    @property
    def unfinished(self) -> frozenset[str]:
        """The subjects whose clean-up is still due."""
        return frozenset(self._steps)

    async def finish(self, subject: str, step: Step) -> bool:
        """Carry out ``step`` now if possible, later otherwise; return whether it is done.

        The caller has to hold the subject's turn.
        """
        self._steps[subject] = step
        return await self._attempt(subject)

    @asynccontextmanager
    async def undone_by(self, subject: str, undo: Step, *, new: bool) -> AsyncIterator[None]:
        """Undo what the block did if it fails and what it made is ``new``; what was there before stays."""
        try:
            yield
        except Exception:
            # Twisted's CancelledError is an Exception as well: a call that was given up is undone too.
            if new:
                await self.finish(subject, undo)
            raise

    def cancel(self, subject: str) -> None:
        """Leave the subject as it is: it is in use again."""
        self._steps.pop(subject, None)
        self._tell_end()

    def resume(self) -> None:
        """Carry out all that is due, one after the other. Call this when the switch is back."""
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        self._retry = None
        Deferred.fromCoroutine(self._attempt_all())

    def stop(self) -> None:
        """Try no more."""
        self._steps.clear()
        self._put_off.clear()
        if self._retry is not None and self._retry.active():
            self._retry.cancel()

    async def _attempt_all(self) -> None:
        for subject in list(self._steps):
            async with self._turns.turn(subject):
                if subject in self._steps:
                    await self._attempt_logged(subject)

    async def _attempt_logged(self, subject: str) -> None:
        try:
            await self._attempt(subject)
        except CancelledError:
            # The plugin ends, and what the step waited for at the VSD with it.
            return
        except Exception as problem:
            # A bug in one step does not keep the others from being carried out.
            if self._told.is_new(subject, repr(problem)):
                self._log.failure("clean-up of {subject}", subject=subject)

    async def _attempt(self, subject: str) -> bool:
        step = self._steps[subject]
        try:
            await step()
        except Exception as problem:
            # Whatever ended it, even a call's deadline, the step is still due.
            self._schedule()
            if not isinstance(problem, self._expected):
                raise
            self._tell_put_off(subject, str(problem))
            return False
        if self._steps.get(subject) is step:
            del self._steps[subject]
            self._tell_end()
        return True

    def _tell_put_off(self, subject: str, problem: str) -> None:
        """Log that a step is put off, once for each reason: an outage puts off hundreds, again every few seconds."""
        self._put_off.add(subject)
        tell = self._log.warn if self._told.is_new("", problem) else self._log.debug
        tell(
            "clean-up of {subject} is put off: {problem}; others put off for this reason are not logged",
            subject=subject,
            problem=problem,
        )

    def _tell_end(self) -> None:
        if self._steps or not self._put_off:
            return
        self._log.info(
            "the clean-up that was put off is finished ({what}: {count})", count=len(self._put_off), what=self._what
        )
        self._put_off.clear()
        self._told.clear()

    def _schedule(self) -> None:
        if self._steps and (self._retry is None or not self._retry.active()):
            self._retry = self._clock.callLater(_RETRY_DELAY, self.resume)
