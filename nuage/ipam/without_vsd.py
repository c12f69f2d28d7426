"""What Docker's IPAM is answered without a VSD.

Docker asks a plugin only once what it is. So the plugin says in any case that it is an IPAM driver, and a message says
what is missing, instead of Docker's "does not implement the requested driver".
"""

from __future__ import annotations

from typing import NoReturn

from nuage.errors import Refused
from nuage.ipam.handed_out import SPACE
from nuage.libnetwork.ipam_payloads import (
    AddressSpaces,
    IpamCapabilities,
    PoolCall,
    ReleaseAddress,
    RequestAddress,
    RequestPool,
)
from nuage.libnetwork.payloads import Empty


class WithoutVsd:
    """Refuses what needs a VSD. Its methods are those of :class:`nuage.ipam.driver.Ipam`."""

    async def capabilities(self) -> IpamCapabilities:
        """Tell what has to be in a request."""
        return IpamCapabilities()

    async def address_spaces(self) -> AddressSpaces:
        """Name the address space."""
        return AddressSpaces(SPACE)

    async def request_pool(self, request: RequestPool) -> NoReturn:  # noqa: ARG002
        """Say what is missing."""
        raise Refused(
            "the plugin knows no VSD, from which --ipam-driver=nuage takes addresses; "
            "set vsd_url, or leave out --ipam-driver and give --subnet"
        )

    async def request_address(self, request: RequestAddress) -> NoReturn:  # noqa: ARG002
        """Say what is missing for a network of former times."""
        raise Refused(
            "the plugin knows no VSD, from which this network takes its addresses; set vsd_url, "
            "or create the network again without --ipam-driver"
        )

    async def release_pool(self, request: PoolCall) -> Empty:  # noqa: ARG002
        """Do nothing: Docker forgets the pool, whatever is answered."""
        return Empty()

    async def release_address(self, request: ReleaseAddress) -> Empty:  # noqa: ARG002
        """Do nothing: with a VSD again, the plugin finds the address by its mark and gives it back."""
        return Empty()
