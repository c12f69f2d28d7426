"""Pausing Python's cyclic garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Run a block that makes very many objects, none of them garbage, without the collector.

    Decoding the content of a large database takes a third of the processor time like this, because the collector would
    look at everything made so far again and again. The prior state is restored whatever happens.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
