"""What users say to a Docker host, as they would with its CLI."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.simulation.chance import Chance
from tests.simulation.docker.commands import Outcome
from tests.simulation.docker.dockerd import Dockerd, Settings
from tests.simulation.docker.errors import DockerError
from tests.simulation.docker.networks import NetworkRequest
from tests.simulation.docker.store import Attachment, Container, PoolRequest

#: Seconds between the making of a container and its start.
_BETWEEN = (0.005, 0.03)


class UserCommands(ABC):
    """The commands. Each returns its :class:`Outcome` later.

    Args:
        chance: Draws how long things take, and all ids.
        settings: How dockerd is configured.
    """

    def __init__(self, chance: Chance, settings: Settings) -> None:
        self._chance = chance
        self.settings = settings

    @abstractmethod
    def container(self, name: str) -> Container | None:
        """Return a container by its name."""

    def create_network(
        self,
        name: str,
        *,
        driver: str | None = None,
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        pools: Sequence[PoolRequest] = (),
        internal: bool = False,
        ipv6: bool = False,
        scope: str = "local",
        ipam: str = "default",
        ipam_options: Mapping[str, str] | None = None,
    ) -> Deferred[Outcome]:
        """``docker network create``."""
        request = NetworkRequest(
            name=name,
            driver=driver or self.settings.plugin,
            options=options or {},
            labels=labels or {},
            internal=internal,
            ipv6=ipv6,
            scope=scope,
            pools=tuple(pools),
            ipam=ipam,
            ipam_options=ipam_options or {},
        )

        async def create(dockerd: Dockerd) -> str:
            return (await dockerd.networks.create(request)).id

        return self._give(f"network create {name}", create)

    def remove_network(self, name: str) -> Deferred[Outcome]:
        """``docker network rm``."""
        return self._give(f"network rm {name}", lambda dockerd: dockerd.networks.remove(name))

    def create(self, name: str, network: str, attachment: Attachment | None = None, **given: Any) -> Deferred[Outcome]:
        """``docker create``.

        Args:
            name: The container's name.
            network: The name of its network.
            attachment: What it is to have there.
            given: Further fields of :class:`tests.simulation.docker.store.Container`, such as ``labels``.
        """
        make = self._making(name, network, attachment, given)

        async def create(dockerd: Dockerd) -> str:
            return make(dockerd).id

        return self._give(f"create {name} on {network}", create)

    def run(self, name: str, network: str, attachment: Attachment | None = None, **given: Any) -> Deferred[Outcome]:
        """``docker run -d``; see :meth:`create`. A container that does not start stays, as with the real one."""
        make = self._making(name, network, attachment, given)

        async def create_and_start(dockerd: Dockerd) -> str:
            container = make(dockerd)
            await deferLater(dockerd.reactor, self._chance.delay(*_BETWEEN))
            await dockerd.containers.start(container)
            return container.id

        return self._give(f"run {name} on {network}", create_and_start, failure=125)

    def start(self, name: str) -> Deferred[Outcome]:
        """``docker start``."""
        return self._on_container(f"start {name}", name, lambda dockerd, one: dockerd.containers.start(one))

    def stop(self, name: str) -> Deferred[Outcome]:
        """``docker stop``."""
        return self._on_container(f"stop {name}", name, lambda dockerd, one: dockerd.containers.stop(one, early=True))

    def kill(self, name: str) -> Deferred[Outcome]:
        """``docker kill``."""

        async def kill(dockerd: Dockerd, container: Container) -> None:
            if not container.running:
                raise DockerError(f"Cannot kill container: {name}: Container {container.id} is not running", 409)
            await dockerd.containers.stop(container)

        return self._on_container(f"kill {name}", name, kill)

    def restart(self, name: str) -> Deferred[Outcome]:
        """``docker restart``."""
        return self._on_container(f"restart {name}", name, lambda dockerd, one: dockerd.containers.restart(one))

    def remove(self, name: str, *, force: bool = True) -> Deferred[Outcome]:
        """``docker rm``, or ``docker rm -f``."""

        async def remove(dockerd: Dockerd) -> None:
            try:
                await dockerd.containers.remove(dockerd.containers.find(name), force=force)
            except DockerError as problem:
                # The CLI takes a forced removal of what is not there for done.
                if not (force and problem.status == 404):
                    raise

        return self._give(f"rm {'-f ' if force else ''}{name}", remove)

    def rename(self, name: str, new_name: str) -> Deferred[Outcome]:
        """``docker rename``."""
        words = f"rename {name} {new_name}"
        return self._on_container(words, name, lambda dockerd, one: dockerd.containers.rename(one, new_name))

    def connect(self, network: str, name: str, attachment: Attachment | None = None) -> Deferred[Outcome]:
        """``docker network connect``."""

        async def connect(dockerd: Dockerd, container: Container) -> None:
            await dockerd.containers.connect(container, network, attachment or Attachment())

        return self._on_container(f"network connect {network} {name}", name, connect)

    def disconnect(self, network: str, name: str, *, force: bool = False) -> Deferred[Outcome]:
        """``docker network disconnect``; if it is forced, the container may be gone."""

        async def disconnect(dockerd: Dockerd) -> None:
            if force and self.container(name) is None:
                await dockerd.containers.disconnect_by_force(name, network)
            else:
                await dockerd.containers.disconnect(dockerd.containers.find(name), network)

        return self._give(f"network disconnect {'-f ' if force else ''}{network} {name}", disconnect)

    def _making(
        self, name: str, network: str, attachment: Attachment | None, given: dict[str, Any]
    ) -> Callable[[Dockerd], Container]:
        def make(dockerd: Dockerd) -> Container:
            wanted = attachment or Attachment()
            container = Container(
                id=self._new_id(),
                name=name,
                attachments={network: wanted},
                main_network=network,
                mac=wanted.mac,
                **given,
            )
            dockerd.containers.add(container)
            return container

        return make

    def _on_container(
        self, words: str, name: str, work: Callable[[Dockerd, Container], Awaitable[None]]
    ) -> Deferred[Outcome]:
        return self._give(words, lambda dockerd: work(dockerd, dockerd.containers.find(name)))

    @abstractmethod
    def _give(
        self, words: str, work: Callable[[Dockerd], Awaitable[str | None]], failure: int = 1
    ) -> Deferred[Outcome]:
        """Give a command to the daemon that runs."""

    def _new_id(self) -> str:
        return self._chance.hexadecimal(64)
