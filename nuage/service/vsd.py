"""What needs a VSD: all of it is there with one, and nothing without."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from nuage.config.settings import Config
from nuage.docker.engine import Engine
from nuage.driver.places import Places
from nuage.driver.turns import Turns
from nuage.ipam.abandoned import Abandoned
from nuage.ipam.driver import Ipam
from nuage.ipam.handed_out import HandedOut
from nuage.ipam.holdings import Holdings
from nuage.ipam.ports import Ports
from nuage.ipam.without_vsd import WithoutVsd
from nuage.service.addressing import Addressing
from nuage.service.machine import Machine
from nuage.status.watched import Watched
from nuage.vrs.switch import Switch
from nuage.vsd.cluster import Asked
from nuage.vsd.connection import Settings, connect
from nuage.vsd.directory import Directory
from nuage.vsd.presence import Presence
from nuage.vsd.session import Session
from nuage.vsd.tls import Trust

#: Seconds that a VSD may be away without a word in the log: it is a cluster, whose nodes take each other's place.
_LAG = 10.0


class VsdParts:
    """What there is without a VSD. Networks are not compared, and Docker assigns the addresses.

    Attributes:
        places: Compares networks with what the VSD has.
        ports: Tells the VSD which endpoint has an address.
        pools: Tells a network its pool.
        abandoned: Remembers the pools of networks that are gone.
        holdings: Compares held addresses with those in use.
        left: Counts the addresses that are held at the VSD and not used.
        ipam: Answers Docker's IPAM.
    """

    places: Places | None = None
    ports: Ports | None = None
    pools: HandedOut | None = None
    abandoned: Abandoned | None = None
    holdings: Holdings | None = None
    left: Callable[[], Mapping[str, int]] | None = None

    def __init__(self) -> None:
        self.ipam: Ipam | WithoutVsd = WithoutVsd()

    @property
    def unfinished(self) -> frozenset[str]:
        """The addresses whose clean-up is still due."""
        return frozenset()

    def watched(self) -> list[Watched]:
        """Return what the daemon reports of it."""
        return []

    def on_asked(self, told: Callable[[Asked], None]) -> None:
        """Have a function called after each request to a server of the VSD."""

    def start(self) -> None:
        """Start what runs by itself."""

    def follow(self) -> None:
        """Do what waited for the VSD, each time that it is back."""

    def resume(self) -> None:
        """Do what waited for the switch. To be called when it is back."""

    def stop(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """Stop at once what can be; return what ends later, by what it is called in the log."""
        return {}


class WithVsd(VsdParts):
    """What there is with a VSD.

    Args:
        reactor: Does all input and output, keeps the time.
        config: What the user configured.
        machine: Where the daemon runs.
        switch: The VRS.
        docker: Tells which addresses are used.
        turns: Has calls about one network wait for each other.

    Raises:
        ConfigurationError: A file for TLS cannot be used.
    """

    def __init__(
        self, reactor: Any, config: Config, machine: Machine, *, switch: Switch, docker: Engine, turns: Turns
    ) -> None:
        super().__init__()
        self._config = config
        self._session = _session(reactor, config, machine)
        directory = Directory(self._session, reactor)
        self._places = Places(reactor, self._session, directory, config.vsd_timeout, switch=switch, turns=turns)
        self._addressing = Addressing(
            reactor,
            session=self._session,
            account=f"{config.vsd_user}@{config.vsd_organization}",
            directory=directory,
            switch=switch,
            docker=docker,
            host_name=machine.host_name.partition(".")[0],
            form=config.vsd_address_form,
            random=machine.random,
        )
        self.places = self._places
        self.ports = self._addressing.ports
        self.pools = self._addressing.handed_out
        self.abandoned = self._addressing.abandoned
        self.holdings = self._addressing.holdings
        self.left = self._addressing.left
        self.ipam = self._addressing.ipam

    @property
    def unfinished(self) -> frozenset[str]:
        """See VsdParts."""
        return self._addressing.unfinished

    def watched(self) -> list[Watched]:
        """See VsdParts."""
        return [_watched(self._session.presence, self._config)]

    def on_asked(self, told: Callable[[Asked], None]) -> None:
        """See VsdParts."""
        self._session.asked.add(told)

    def start(self) -> None:
        """See VsdParts."""
        self._session.start()
        self._addressing.start()

    def follow(self) -> None:
        """See VsdParts."""
        self._session.presence.on_return(self._places.resume)
        self._session.presence.on_return(self._addressing.resume)

    def resume(self) -> None:
        """See VsdParts."""
        self._places.resume()
        self._addressing.resume()

    def stop(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """See VsdParts."""
        self._addressing.stop()
        self._places.stop()
        return {"the connection to the VSD": self._session.stop()}


def _session(reactor: Any, config: Config, machine: Machine) -> Session:
    """Return the session with the VSD.

    Raises:
        ConfigurationError: A file for TLS cannot be used.
    """
    assert config.vsd_url is not None
    assert config.vsd_user is not None
    trust = Trust(
        ca_certificate=config.vsd_ca_certificate,
        any_certificate=config.vsd_accept_any_certificate,
        certificate=config.vsd_certificate,
        private_key=config.vsd_private_key,
    )
    settings = Settings(
        urls=config.vsd_url,
        version=config.vsd_version,
        organization=config.vsd_organization,
        user=config.vsd_user,
        password=config.vsd_password,
        password_file=config.vsd_password_file,
        trust=trust,
        timeout=config.vsd_timeout,
    )
    return connect(reactor, settings, chance=machine.random.random)


def _watched(presence: Presence, config: Config) -> Watched:
    return Watched(
        key="vsd",
        name=presence.name,
        address=" ".join(config.vsd_url or ()),
        remedy="check vsd_url and the account; networks that it does not know yet are compared once it is there",
        there=lambda: presence.there,
        status=lambda: presence.status,
        promise="networks are created without it, and compared when it is back; "
        "containers whose addresses come from it do not start",
        needed=False,
        grace=_LAG,
    )
