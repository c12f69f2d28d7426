"""What a Join makes of the VRS's answer.

A port that is not resolved has no connectivity. A port that is resolved to something other than Docker assumes is
connected wrongly. Neither may look like a container that started well.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from nuage.errors import Refused, SwitchError
from nuage.model import Endpoint, Network
from nuage.vrs.views import Resolution


def unresolved(
    network: Network,
    endpoint: Endpoint,
    policy: Mapping[str, str],
    seconds: float,
    *,
    controller: bool,
    reason: str = "",
) -> SwitchError:
    """Return the error of a port that was not resolved in time.

    It names all that can be misspelt, or the lack of a controller, without which no name is looked at.

    Args:
        network: The network.
        endpoint: The endpoint.
        policy: Its policy; see :func:`nuage.vrs.policy.named_policy`.
        seconds: How long the Join waited.
        controller: Whether a controller is there by now.
        reason: What the VSD knows of the reason, empty if it knows nothing.
    """
    if not controller:
        return SwitchError(
            "the VRS has no controller: no row of its table Controller has the role master, so no port is resolved, "
            f"and none came within {seconds:g} s; connect the VRS to its VSC, "
            "or set resolve_timeout to 0 to start containers without connectivity"
        )
    if reason:
        return SwitchError(f"the VRS did not resolve the port within {seconds:g} s: {reason}")
    wrong = "the names" if policy else "the network's options"
    named = "".join(f'{key.removeprefix("nuage-").replace("-", " ")} "{name}", ' for key, name in policy.items())
    return SwitchError(
        f'the VRS did not resolve the port within {seconds:g} s: {network.place()}, user "{network.user}", {named}'
        f"address {endpoint.address}; a controller is connected. If Nuage does not know one of these names, or has "
        f"given the address to another, correct {wrong} or the address; "
        "if the VRS only needs longer, raise resolve_timeout"
    )


def check_resolution(network: Network, endpoint: Endpoint, resolved: Resolution) -> IPv4Address | None:
    """Return the gateway that the VRS resolved.

    An L2 domain need not have one. If Docker assigned one, it stays: there may be a router that Nuage does not know.

    Raises:
        Refused: The VRS's address, mask or gateway is not the one that Docker assigned.
    """
    gateway = IPv4Address(resolved.gateway) if resolved.gateway else network.gateway
    differing = [
        f"{what}: Docker {docker}, Nuage {nuage}"
        for what, docker, nuage in (
            ("address", str(endpoint.address.ip) if endpoint.address else "none", resolved.address),
            # Not every release of the VRS tells the mask.
            ("mask", network.pool.netmask, resolved.mask or network.pool.netmask),
            ("gateway", network.gateway or gateway, gateway),
        )
        if str(docker) != str(nuage)
    ]
    if differing:
        raise Refused(
            f"CIDR and IPAM must be the same as in Nuage ({network.place()}): {'; '.join(differing)}. "
            "Create the network again with the --subnet and --gateway of the Nuage subnet"
        )
    return gateway
