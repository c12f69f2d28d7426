"""What a host has of the VSD: an account, its own controller, and networks whose addresses come from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from tests.simulation.chance import Chance
from tests.simulation.networks import PLACES
from tests.simulation.vsd.server import ORGANIZATION, URL, Vsd

#: Part of the networks whose addresses come from the VSD.
_FROM_VSD = 0.8
#: Part of the runs with pauses of full length.
_PATIENT = 0.1


@attrs.frozen(kw_only=True)
class Habits:
    """How all hosts of a world use the VSD.

    Attributes:
        form: How addresses are held: a value of ``vsd_address_form``.
        networks: The names of the networks whose addresses come from the VSD; those of the others come from Docker.
        patient: Whether each pause is as long as it takes until no address is held that a crash left.
        tells_subnet: Whether users name the subnet of a network that has its addresses from the VSD.
    """

    form: str
    networks: frozenset[str]
    tells_subnet: bool
    patient: bool

    @classmethod
    def draw(cls, chance: Chance, vsd: Vsd, networks: tuple[str, ...]) -> Habits:
        """Draw them."""
        forms = ("auto", "reservation", "container") if vsd.offers_reservations else ("auto", "container")
        return cls(
            form=chance.pick(forms),
            networks=frozenset(each for each in networks if chance.happens(_FROM_VSD)),
            tells_subnet=chance.happens(0.5),
            patient=chance.happens(_PATIENT),
        )


class Share:
    """What one host has of it.

    Args:
        vsd: The VSD.
        host: The host's name.
        number: Which of the hosts it is, from 0 on.
        habits: How it uses the VSD.

    Attributes:
        number: See above.
        user: The name of the user that its daemon is.
        controller: What resolves its ports.
    """

    def __init__(self, vsd: Vsd, host: str, number: int, habits: Habits) -> None:
        self.vsd = vsd
        self.habits = habits
        self.user = f"docker-{host}"
        self.number = number
        vsd.add_user(self.user)
        self.controller = vsd.controller.of(host)

    @property
    def configuration(self) -> Mapping[str, Any]:
        """What the daemon is configured with."""
        return {
            "vsd_url": (URL,),
            "vsd_organization": ORGANIZATION,
            "vsd_user": self.user,
            "vsd_password": self.user,
            "vsd_address_form": self.habits.form,
        }

    def part_of(self, subnet: str) -> str:
        """Return the part of a /24 from which this host's Docker chooses addresses, which no other host does."""
        return f"{subnet.removesuffix('0/24')}{128 * self.number}/25"

    def has_mac(self, network: str, mac: str) -> bool:
        """Tell whether the VSD knows a MAC address in the subnet of a network; it lets nobody else have it there."""
        place = PLACES[network]
        subnet = self.vsd.subnet(place.domain, place.zone, place.subnet)
        interfaces = self.vsd.all("containerinterfaces")
        return any((each["attachedNetworkID"], each["MAC"]) == (subnet.id, mac) for each in interfaces)
