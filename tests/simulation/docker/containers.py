"""The containers of dockerd: what becomes of them beside their processes (moby daemon/delete.go, rename.go)."""

from __future__ import annotations

from typing import Any

from tests.simulation.docker.errors import DockerError
from tests.simulation.docker.running import Running
from tests.simulation.docker.store import Attachment, Container


class Containers(Running):
    """The containers of one process of dockerd."""

    def find(self, name: str) -> Container:
        """Return a container by its id, its name or the beginning of its id.

        Raises:
            DockerError: There is none.
        """
        containers = self._store.containers.values()
        fitting = [each for each in containers if name in (each.id, each.name)]
        fitting += [each for each in containers if each.id.startswith(name)]
        if not fitting:
            raise DockerError(f"No such container: {name}", 404)
        return fitting[0]

    def lock_of(self, container: Container) -> Any:
        """Return the lock that is held while a container is changed."""
        return self._locks[container.id]

    def add(self, container: Container) -> None:
        """Make a container.

        Raises:
            DockerError: Its name is in use.
        """
        for other in self._store.containers.values():
            if other.name == container.name:
                raise DockerError(
                    f'Conflict. The container name "/{container.name}" is already in use by container "{other.id}". '
                    "You have to remove (or rename) that container to be able to reuse that name.",
                    409,
                )
        self._store.containers[container.id] = container
        self.checkpoint(container)

    async def remove(self, container: Container, *, force: bool) -> None:
        """Remove a container.

        Raises:
            DockerError: It runs, and is not to be forced.
        """
        async with self._locks[container.id]:
            if container.removing or container.removed:
                raise DockerError(f"removal of container {container.name} is already in progress", 409)
            container.removing = True
        try:
            if container.running and not force:
                raise DockerError(
                    f"You cannot remove a running container {container.id}. Stop the container before attempting "
                    "removal or force remove",
                    409,
                )
            await self.stop(container)
            async with self._locks[container.id]:
                container.removed = True
                del self._store.containers[container.id]
        finally:
            container.removing = False
        self._locks.forget(container.id)

    async def rename(self, container: Container, name: str) -> None:
        """Rename a container, and its endpoints with it. No driver is told.

        Raises:
            DockerError: Another one has the name.
        """
        async with self._locks[container.id]:
            if any(each.name == name for each in self._store.containers.values()):
                raise DockerError(f'Conflict. The container name "/{name}" is already in use', 409)
            if self._behaviour.keeps_sandbox_id and container.awaits_restart and container.sandbox is None:
                raise DockerError("sandbox not found", 404)
            container.name = name
            for endpoint in container.sandbox.endpoints if container.sandbox else ():
                endpoint.name = name
            self.checkpoint(container)

    async def connect(self, container: Container, network: str, attachment: Attachment) -> None:
        """See :meth:`tests.simulation.docker.attaching.Attaching.connect`."""
        async with self._locks[container.id]:
            await self._attaching.connect(container, network, attachment)
            self.checkpoint(container)

    async def disconnect(self, container: Container, network: str) -> None:
        """See :meth:`tests.simulation.docker.attaching.Attaching.disconnect`."""
        async with self._locks[container.id]:
            await self._attaching.disconnect(container, network)
            self.checkpoint(container)

    async def disconnect_by_force(self, name: str, network: str) -> None:
        """See :meth:`tests.simulation.docker.attaching.Attaching.disconnect_by_force`."""
        await self._attaching.disconnect_by_force(name, network)

    async def remove_ended(self) -> None:
        """Remove the containers that have come to their end while dockerd was away, if they are to be removed then."""
        for container in list(self._store.containers.values()):
            if not (container.running and self._behaviour.spares_what_runs):
                await self._auto_remove(container)
