"""Calls that wait for their replies."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from nuage.ovsdb.errors import CallRejected, CallTimedOut, ConnectionLost
from nuage.ovsdb.messages import Reply, describe_error


class PendingCalls:
    """Matches the replies of one connection with the calls that were sent on it, one Deferred per call."""

    def __init__(self, clock: IReactorTime) -> None:
        """Start without calls; ``clock`` measures their time-outs."""
        self._clock = clock
        self._ids = count()
        self._waiting: dict[int, tuple[str, Deferred[Any]]] = {}

    def __len__(self) -> int:
        """Return the number of calls that wait."""
        return len(self._waiting)

    def expect(self, method: str, timeout: float) -> tuple[int, Deferred[Any]]:
        """Return the id for a new call of ``method`` and the Deferred for its result.

        The Deferred fails with CallTimedOut after ``timeout`` seconds, with ConnectionLost or with CallRejected. A call
        that is given up is forgotten here, but the server may still carry it out.
        """
        id_ = next(self._ids)
        waiter: Deferred[Any] = Deferred(lambda _: self._forget(id_))
        self._waiting[id_] = (method, waiter)
        waiter.addTimeout(timeout, self._clock, _expiry(method))
        return id_, waiter

    def _forget(self, id_: int) -> None:
        del self._waiting[id_]

    def settle(self, reply: Reply) -> bool:
        """Give a reply to the call that it is for; return False when none waits for it."""
        # JSON's true equals 1 in Python, and an array cannot be looked up at all.
        if type(reply.id) is not int or reply.id not in self._waiting:
            return False
        method, waiter = self._waiting.pop(reply.id)
        if reply.error is None:
            waiter.callback(reply.result)
        else:
            waiter.errback(CallRejected(method, *describe_error(reply.error)))
        return True

    def fail_all(self, reason: str) -> None:
        """Fail each call that waits with ConnectionLost, naming its method and the ``reason``."""
        # One after the other: when one of them fails, its caller may give up another or make a new call.
        while self._waiting:
            method, waiter = self._waiting.pop(next(iter(self._waiting)))
            waiter.errback(ConnectionLost(method, f"the connection was lost during {method}: {reason}"))


def _expiry(method: str) -> Callable[[Any, float], NoReturn]:
    def expire(_: Any, seconds: float) -> NoReturn:
        raise CallTimedOut(method, f"the database server did not reply to {method} within {seconds:g} s")

    return expire
