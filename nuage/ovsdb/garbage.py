"""Pausing Python's cyclic garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Run a block that makes very many objects, none of them garbage, without the collector.

    Decoding a large database then takes a third of the processor time, because the collector would look again
    and again at everything made so far. The earlier state is restored whatever happens.

    What the block made goes to the oldest generation right away. Otherwise the collector, once it is on again, would
    look through all of it twice before it put it there. Objects that the process itself has frozen are thawed.
    """
    if not gc.isenabled():
        yield
        return
    # The younger generations are emptied first: garbage in them would have to wait for a full collection.
    gc.collect(1)
    gc.disable()
    try:
        yield
    finally:
        # Freezing moves everything out of the generations, thawing moves it into the oldest; neither looks at it.
        gc.freeze()
        gc.unfreeze()
        gc.enable()
