"""Nuage's own SDK for Python, as a client of the lab's VSD."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from urllib3.exceptions import InsecureRequestWarning
from vspk import v6

from lab.standin import StandIn


@contextlib.contextmanager
def provider(vsc: StandIn) -> Iterator[Any]:
    """Log in to a VSD as the provider's user. The SDK knows one user at a time."""
    access = vsc.vsd
    session = v6.NUVSDSession(
        username=access.user, password=access.password, enterprise=access.organization, api_url=vsc.vsd_url
    )
    with warnings.catch_warnings():
        # The SDK verifies no certificate, and says so each time.
        warnings.simplefilter("ignore", InsecureRequestWarning)
        session.start()
        try:
            yield session.user
        finally:
            session.requests_session.close()
            session.reset()
