"""How dockerd puts a container into its networks and takes it out (moby daemon/container_operations.go)."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import deferLater

from tests.simulation.chance import Chance
from tests.simulation.docker.errors import DockerError
from tests.simulation.docker.networks import Networks
from tests.simulation.docker.releases import Release
from tests.simulation.docker.sandboxes import Sandboxes
from tests.simulation.docker.store import Attachment, Container, Network

#: Seconds between CreateEndpoint and Join.
_BETWEEN = (0.001, 0.005)
_BLAME = "failed to set up container networking: "


class Attaching:
    """Attaches containers, whose lock is held.

    Args:
        reactor: Of the process of dockerd.
        chance: Draws how long things take, and the order of networks.
        release: Which Docker this is.
        networks: Makes endpoints.
        sandboxes: Joins them.
    """

    def __init__(
        self, reactor: Any, chance: Chance, release: Release, networks: Networks, sandboxes: Sandboxes
    ) -> None:
        self._reactor = reactor
        self._chance = chance
        self._release = release
        self._networks = networks
        self._sandboxes = sandboxes

    async def connect(self, container: Container, network: str, attachment: Attachment) -> None:
        """Put a container into one more network; for one that does not run, note that it is to be there.

        In that case nobody asks whether there is such a network.

        Raises:
            DockerError: The network does not take it.
        """
        known = self._networks.known(network)
        if container.running:
            if self._release.only_starts_make_sandboxes and container.sandbox is None:
                self._wish(container, self._networks.find(network), attachment)
                raise DockerError(f"network sandbox for container {container.id} not found", 404)
            await self.attach(container, network, attachment)
            return
        _demand_no_removal(container)
        if known is None:
            container.attachments[network] = attachment
        else:
            self._wish(container, known, attachment)

    async def disconnect(self, container: Container, network: str) -> None:
        """Take a container out of a network; for one that does not run, note that it is not to be there.

        Raises:
            DockerError: It is not in it.
        """
        known = self._networks.known(network)
        if container.running:
            await self._detach(container, self._networks.find(network))
            return
        _demand_no_removal(container)
        if container.attachments.pop(known.name if known else network, None) is None:
            raise DockerError(f"container {container.id} is not connected to the network {network}", 403)

    async def disconnect_by_force(self, name: str, network: str) -> None:
        """Take what is left of a container that is gone out of a network.

        Raises:
            DockerError: There is nothing of it.
        """
        endpoints = self._networks.find(network).endpoints.values()
        endpoint = next((each for each in endpoints if each.name == name), None)
        if endpoint is None:
            raise DockerError(f"endpoint {name} not found", 404)
        if endpoint.sandbox is None:
            await self._networks.forget_endpoint(endpoint)
        else:
            await self._sandboxes.force_out(endpoint, endpoint.sandbox)

    async def attach_all(self, container: Container) -> None:
        """Put a container that starts into all its networks.

        Raises:
            DockerError: One does not take it.
        """
        try:
            # The real one goes through a map of Go.
            for name in self._chance.shuffled(list(container.attachments)):
                await self.attach(container, name, container.attachments[name])
        except DockerError as problem:
            blame = _BLAME if self._release.blames_network else ""
            raise DockerError(f"{blame}{problem}", problem.status) from None

    async def attach(self, container: Container, name: str, attachment: Attachment) -> None:
        """Put a container into a network.

        Raises:
            DockerError: The network does not take it. The container keeps the wish to be in it, as with the real one.
        """
        network = self._networks.find(attachment.network_id or name)
        if self._release.needs_main_network and name != container.main_network:
            self._check_main_network(container)
        if self._release.mac_of_container and network.name == container.main_network:
            attachment.mac = container.mac
        self._wish(container, network, attachment)
        if container.sandbox is not None and (self._release.looks_always or not network.internal):
            await self._sandboxes.look(container.sandbox)
        endpoint = await self._networks.create_endpoint(network, container, attachment)
        attachment.network_id = network.id
        container.attachments[network.name] = attachment
        sandbox = container.sandbox
        if sandbox is None:
            sandbox = container.sandbox = self._sandboxes.make(container, exists=False)
        await deferLater(self._reactor, self._chance.delay(*_BETWEEN))
        try:
            await self._sandboxes.join(endpoint, sandbox)
        except DockerError:
            await self._networks.delete_endpoint(endpoint)
            raise
        attachment.endpoint = endpoint
        if self._release.looks_twice:
            try:
                await self._sandboxes.look_at(endpoint)
            except DockerError as problem:
                raise DockerError(f"Updating join info failed: {problem}") from None
        await self._sandboxes.look(sandbox)

    def _check_main_network(self, container: Container) -> None:
        main = container.main_network
        if self._networks.known(main) is None:
            raise DockerError(f"could not find a network matching network mode {main}: network {main} not found", 404)

    def _wish(self, container: Container, network: Network, attachment: Attachment) -> None:
        """Note that a container is to be in a network, unless that is noted already."""
        former = container.attachments.get(network.name)
        if former is None or former.network_id not in ("", network.id):
            container.attachments[network.name] = attachment

    async def _detach(self, container: Container, network: Network) -> None:
        sandbox = container.sandbox
        ours = (each for each in network.endpoints.values() if each.sandbox is not None and each.sandbox is sandbox)
        endpoint = next(ours, None)
        if endpoint is None or sandbox is None:
            raise DockerError(f"container {container.id} is not connected to network {network.name}", 403)
        try:
            await self._sandboxes.leave(endpoint, sandbox)
        except DockerError as problem:
            raise DockerError(f"container {container.id} failed to leave network {network.name}: {problem}") from None
        await self._sandboxes.look(sandbox)
        await self._networks.delete_endpoint(endpoint)
        container.attachments.pop(network.name, None)

    async def release(self, container: Container) -> None:
        """Take a container that does not run any more out of all networks."""
        sandbox = container.sandbox
        self.forget(container)
        if sandbox is not None:
            await self._sandboxes.delete(sandbox)

    def forget(self, container: Container) -> None:
        """Forget what a container has had of its networks."""
        container.sandbox = None
        for attachment in container.attachments.values():
            attachment.endpoint = None


def _demand_no_removal(container: Container) -> None:
    if container.removing or container.removed:
        raise DockerError(
            f"Container {container.id} is marked for removal and cannot be connected or disconnected to the network"
        )
