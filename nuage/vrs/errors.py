"""What can go wrong with the VRS, including errors of its database.

The client of the database knows nothing of this driver. Its errors become :class:`nuage.errors.SwitchError` where
:mod:`nuage.vrs.switch` uses it, with the same message: it is what a user reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nuage.errors import SwitchError
from nuage.ovsdb import errors


class NotConnected(SwitchError):
    """Nothing was asked of the switch: its database was not there within the time allowed."""


class NotResolved(SwitchError):
    """The VRS did not resolve a port within the time allowed."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise the database's errors as those of the switch."""
    try:
        yield
    except errors.NotConnected as problem:
        raise NotConnected(str(problem)) from problem
    except errors.OvsdbError as problem:
        raise SwitchError(str(problem)) from problem
