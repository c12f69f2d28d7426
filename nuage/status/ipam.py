"""Tells which addresses are held at the VSD. Unlike a report, this asks Docker and the VSD."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.web.iweb import IRequest

from nuage.errors import MalformedRequest, Refused
from nuage.ipam.holdings import Comparison, Held, Holdings
from nuage.model import Trace
from nuage.status.control import Small, answer


class Ipam(Small):
    """``/ipam``: what is held, and where that differs from what is used; ``/ipam/release``: gives back what is unused.

    Args:
        holdings: Compares them; None if no addresses are from a VSD.
        trace: Tells whose an endpoint is: :meth:`nuage.vrs.switch.Switch.trace`.
    """

    _app = Small.routes()

    def __init__(self, holdings: Holdings | None, trace: Callable[[str], Trace]) -> None:
        self._holdings = holdings
        self._trace = trace

    @_app.route("/ipam", methods=["GET"])
    async def compare(self, request: IRequest) -> bytes:
        """Tell what is held, what of it is unused, and what is used without being held."""
        return answer(request, self._told(await self._compared().compared()))

    @_app.route("/ipam/release", methods=["POST"])
    async def release(self, request: IRequest) -> bytes:
        """Give back what the body names, as far as it is unused still; tell what was given back."""
        asked = _asked(request.content.read())
        holdings = self._compared()
        unused = [each for each in await holdings.unused() if _key(each) in asked]
        return answer(request, [_held(each) for each in await holdings.give_back(unused)])

    def _compared(self) -> Holdings:
        if self._holdings is None:
            raise Refused("no addresses are from a VSD: vsd_url is not set")
        return self._holdings

    def _told(self, comparison: Comparison) -> dict[str, Any]:
        return {
            "held": [_held(each) for each in comparison.held],
            "unused": [_held(each) for each in comparison.unused],
            "unheld": [
                {
                    "address": str(each.address),
                    "place": each.pool.options(),
                    "endpoint": each.endpoint_id,
                    "container": self._trace(each.endpoint_id).container_name,
                }
                for each in comparison.unheld
            ],
        }


def _held(held: Held) -> dict[str, Any]:
    return {"address": str(held.address), "place": held.pool.options(), "pool": held.pool.id}


def _key(held: Held) -> tuple[str, str]:
    return held.pool.id, str(held.address)


def _asked(body: bytes) -> set[tuple[str, str]]:
    """Return pools and addresses that a body names.

    Raises:
        MalformedRequest: It is no list of what ``/ipam`` calls unused.
    """
    try:
        return {(str(each["pool"]), str(each["address"])) for each in json.loads(body)}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise MalformedRequest('the body has to be a list of what /ipam has as "unused"') from None
