"""Why a connection ended, in words."""

from __future__ import annotations

import os

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure


def in_words(problem: BaseException) -> str:
    """Return what an error of a connection says, in the kernel's words if it has any.

    Twisted says the same in sentences of its own, twice, or puts a whole Failure there: it says that a connection to a
    unix socket whose queue is full "was closed cleanly" before it was made.
    """
    number = getattr(problem, "osError", None)
    if isinstance(number, int):
        return os.strerror(number)
    if any(isinstance(argument, Failure) for argument in problem.args):
        return "no more connections are accepted"
    if isinstance(problem, ConnectionDone | ConnectionLost):
        return "the connection was closed" if isinstance(problem, ConnectionDone) else "the connection was lost"
    return str(problem).strip().rstrip(".") or type(problem).__name__
