"""Breaks a daemon in its own process: something in it hangs, and prints a line when it does."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any, NoReturn, cast

from twisted.internet.defer import CancelledError, Deferred


def calls(line: str) -> None:
    """Have a Leave hang that cannot be cancelled."""
    from nuage.driver.driver import Driver

    async def leave(_driver: Driver, _request: object) -> NoReturn:
        print(line, flush=True)
        while True:
            with suppress(CancelledError):
                await Deferred[None]()

    cast(Any, Driver).leave = leave


def links(line: str) -> None:
    """Have a removal of a link hang, which a Leave asks for."""
    from nuage.driver.driver import Driver
    from nuage.links import veth

    def remove(*_arguments: object, **_options: object) -> NoReturn:
        _hang(line)

    async def leave(driver: Any, request: Any) -> Any:
        from nuage.libnetwork.payloads import Empty

        driver._endpoints._remove_link(request.endpoint_id)
        return Empty()

    veth.remove = remove
    cast(Any, Driver).leave = leave


def names(line: str) -> None:
    """Have the look-up of a name hang."""

    def look_up(*_arguments: object, **_options: object) -> NoReturn:
        _hang(line)

    socket.getaddrinfo = look_up


def _hang(line: str) -> NoReturn:
    print(line, flush=True)
    while True:
        time.sleep(60)
