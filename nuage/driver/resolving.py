"""Waiting for the VRS to resolve the port of an endpoint."""

from __future__ import annotations

from ipaddress import IPv4Address

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from nuage.driver.containers import Containers
from nuage.driver.places import Places
from nuage.driver.resolution import check_resolution, unresolved
from nuage.errors import NuageError, SwitchError
from nuage.model import Container, Endpoint, Network
from nuage.vrs.errors import NotConnected, NotResolved
from nuage.vrs.policy import named_policy
from nuage.vrs.switch import Switch
from nuage.watchers import Watchers


class Resolving:
    """Waits for the VRS's answer. ``answers`` tells the seconds that each took.

    Args:
        switch: The VRS.
        containers: Knows which container an endpoint belongs to.
        clock: Measures how long the VRS takes.
        timeout: Seconds that a Join waits; 0 does not wait.
        places: Knows why the VRS does not resolve a port; None without a VSD.
    """

    _log = Logger()

    def __init__(
        self, switch: Switch, containers: Containers, clock: IReactorTime, timeout: float, places: Places | None
    ) -> None:
        self._switch = switch
        self._containers = containers
        self._clock = clock
        self._timeout = timeout
        self._places = places
        self.answers: Watchers[float] = Watchers("answers of the VRS")

    async def gateway(self, network: Network, endpoint: Endpoint) -> IPv4Address | None:
        """Wait until the VRS has resolved the port, and return its gateway, or Docker's if ``resolve_timeout`` is 0.

        This includes the wait for a controller that is not there yet: after a start of the machine or of Open vSwitch
        it takes some seconds, and Docker never repeats a start that failed.
        """
        if not self._timeout:
            return network.gateway
        began = self._clock.seconds()
        try:
            resolution = await self._switch.resolved(endpoint.id, self._timeout)
        except NotResolved:
            raise await self._unresolved(network, endpoint) from None
        self.answers.tell(self._clock.seconds() - began)
        self._log.info("endpoint={endpoint} is {resolution}", endpoint=endpoint.id[:12], resolution=str(resolution))
        await self._switch.wired(endpoint.id)
        return check_resolution(network, endpoint, resolution)

    def watch(self, network: Network, endpoint: Endpoint, container: Container | None) -> None:
        """Log it if the VRS does not resolve an endpoint as a Join would require. Nobody waits."""
        Deferred.fromCoroutine(self._watched(network, endpoint, container)).addErrback(
            lambda failure: self._log.failure("watching endpoint {endpoint}", failure, endpoint=endpoint.id)
        )

    async def _watched(self, network: Network, endpoint: Endpoint, container: Container | None) -> None:
        try:
            await self.gateway(network, endpoint)
        except (NotConnected, CancelledError):
            # The plugin ends, or the switch is away.
            return
        except NuageError as problem:
            if self._switch.trace(endpoint.id).announced:
                subject = f'container "{container.name}"' if container else f"endpoint {endpoint.id}"
                self._log.warn("{subject} is not connected: {problem}", subject=subject, problem=str(problem))

    async def _unresolved(self, network: Network, endpoint: Endpoint) -> SwitchError:
        """Return the error of a port that is not resolved, with what the VSD knows of the reason."""
        connected = self._switch.controller_connected()
        policy = named_policy(network, endpoint, self._containers.known(endpoint.id))
        reason = ""
        if connected and self._places is not None:
            reason = await self._places.why_unresolved(network, endpoint, policy)
        return unresolved(network, endpoint, policy, self._timeout, controller=connected, reason=reason)
