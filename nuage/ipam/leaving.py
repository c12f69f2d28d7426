"""Addresses that were given back, and that the VSD does not have back yet.

While a port has a reserved address, the VSD only notes that the reservation is to go (VSD API, vmipreservation.state),
and removes it with the port. Docker restarts a container with its address at once. That may be before the VSD has heard
from the VRS that the former port is gone. What is about to go holds the address for nobody.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from nuage.errors import Refused
from nuage.ipam.pool import Address
from nuage.vsd.directory import Place
from nuage.vsd.reservations import Hold, Holds

#: Seconds between two looks. All of them together are less than a call may take.
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)


async def left(clock: IReactorTime, form: Holds, place: Place, address: Address) -> Hold | None:
    """Return who holds an address, None if nobody does, as soon as nobody is about to leave it.

    Raises:
        Refused: That takes too long.
    """
    for pause in _PAUSES:
        hold = await form.find(place, address)
        if hold is None or not hold.leaving:
            return hold
        await deferLater(clock, pause)
    raise Refused(
        f"address {address} was given back, but the VSD still has a port with it: the VRS has not told it yet that the "
        "port is gone; try again later, or choose another address"
    )
