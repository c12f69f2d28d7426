"""The host that asks for addresses: who it is, and which it uses."""

from __future__ import annotations

from nuage.ipam.pool import Address, Pool
from nuage.vrs.switch import Switch


class SwitchHost:
    """What the switch tells of this host.

    Args:
        switch: The switch.
    """

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    async def identity(self) -> str:
        """Return what tells this host's plugin apart from all others.

        Raises:
            SwitchError: The switch does not tell.
        """
        return await self._switch.identity()

    def user_of(self, pool: Pool, address: Address) -> str | None:
        """Say which endpoint of this host has an address; return None if no endpoint has it."""
        for network in self._switch.networks():
            if network.location() == pool.location():
                for endpoint_id in sorted(self._switch.holders(network, [address])):
                    name = self._switch.trace(endpoint_id).container_name
                    return f'container "{name}"' if name and name != endpoint_id else f"endpoint {endpoint_id}"
        return None
