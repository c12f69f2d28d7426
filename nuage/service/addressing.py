"""What serves Docker's IPAM, put together: it needs a VSD, and is not there without one."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from nuage.docker.engine import Engine
from nuage.driver.cleanup import Cleanup
from nuage.driver.turns import Turns
from nuage.errors import NuageError, SwitchError, VsdRefused, VsdUnavailable
from nuage.ipam.abandoned import Abandoned
from nuage.ipam.addresses import Addresses
from nuage.ipam.driver import Ipam
from nuage.ipam.handed_out import HandedOut
from nuage.ipam.holdings import Holdings
from nuage.ipam.host import SwitchHost
from nuage.ipam.leftovers import Leftovers
from nuage.ipam.pool_places import PoolPlaces
from nuage.ipam.ports import Ports
from nuage.ipam.repetitions import Repetitions
from nuage.ipam.unfinished import Unfinished
from nuage.vrs.switch import Switch
from nuage.vsd.directory import Directory
from nuage.vsd.session import Session


class Addressing:
    """The parts of the IPAM driver, of which the network driver needs three.

    Args:
        reactor: Keeps the time.
        session: Asks the VSD.
        account: Whose session it is, "user@organization".
        directory: Finds what it has.
        switch: The VRS, which remembers what was handed out.
        docker: Tells which addresses are used.
        host_name: What people call this host.
        form: How addresses are held: see :func:`nuage.vsd.reservations.choose_form`.
        random: Chance, which chooses them.

    Attributes:
        ipam: Answers Docker's calls.
        addresses: Takes them, and gives them back.
        ports: Tells the VSD which endpoint has one.
        handed_out: Tells a network its pool.
        abandoned: Remembers the pools of networks that are gone.
        holdings: Compares what is held with what is used.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        *,
        session: Session,
        account: str,
        directory: Directory,
        switch: Switch,
        docker: Engine,
        host_name: str,
        form: str,
        random: Random,
    ) -> None:
        turns, places, repetitions = Turns(reactor), PoolPlaces(directory), Repetitions(reactor)
        self._cleanup = Cleanup(reactor, turns, (SwitchError, VsdUnavailable, VsdRefused), "addresses")
        self.addresses = Addresses(
            reactor,
            session=session,
            account=account,
            places=places,
            host=SwitchHost(switch),
            host_name=host_name,
            form=form,
            cleanup=self._cleanup,
            unfinished=Unfinished(switch),
            turns=turns,
            random=random,
        )
        self.ports = Ports(session=session, directory=directory, places=places, addresses=self.addresses)
        self.handed_out = HandedOut(reactor, switch, places, repetitions)
        self.abandoned = Abandoned(switch, self.addresses)
        self.ipam = Ipam(
            directory=directory,
            places=places,
            addresses=self.addresses,
            handed_out=self.handed_out,
            repetitions=repetitions,
            abandoned=self.abandoned,
        )
        self.holdings = Holdings(
            addresses=self.addresses,
            abandoned=self.abandoned,
            handed_out=self.handed_out,
            users=switch,
            docker=docker,
        )
        self._leftovers = Leftovers(reactor, self.holdings)

    @property
    def unfinished(self) -> frozenset[str]:
        """The addresses whose clean-up is still due."""
        return self._cleanup.unfinished

    def left(self) -> dict[str, int]:
        """Count the addresses that are held at the VSD and not used, as far as that is known."""
        return {"giving_back": len(self.unfinished), "left_over": self._leftovers.suspected}

    def start(self) -> None:
        """Start what runs by itself."""
        self._leftovers.start()

    def resume(self) -> None:
        """Give back what could not be given back. To be called when the switch or the VSD is there again."""
        Deferred.fromCoroutine(self._resumed()).addErrback(self._put_off)

    def stop(self) -> None:
        """Try no more. What is left is remembered by the switch, or found at the VSD by its mark."""
        self._leftovers.stop()
        self._cleanup.stop()

    async def _resumed(self) -> None:
        await self.addresses.resume()
        await self.abandoned.settle()

    def _put_off(self, failure: Failure) -> None:
        # Whatever is away now will be back, and this is called then. At the end of the plugin, nobody asks the VSD.
        if not failure.check(NuageError, CancelledError):
            self._log.failure("giving addresses back", failure)
