"""Begins the command ``tests/simulate``, without a global reactor: what happens in it does not follow from a seed."""

from __future__ import annotations

import gc
import sys

from twisted.internet.main import installReactor
from twisted.logger import globalLogBeginner


class _NoReactor:
    """Stands where modules look for the global reactor. They may import it, and not use it."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(f"the global reactor was asked for {name}")


if __name__ == "__main__":
    installReactor(_NoReactor())
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
    from tests.simulation.command import main

    # Each run has its garbage collected; what is loaded need not be looked through each time.
    gc.freeze()

    sys.exit(main())
