"""Docker's namespaces in the world's kernel."""

from __future__ import annotations

from nuage.links.veth import KernelError
from tests.simulation.devices import Namespace
from tests.simulation.docker.kernel import Device, LinkUnusable
from tests.simulation.kernel import Kernel


class KernelNamespaces:
    """The network namespaces of containers: see :class:`tests.simulation.docker.kernel.Namespaces`.

    Args:
        kernel: Has the links.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._namespaces: dict[str, Namespace] = {}

    def move(self, name: str, namespace: str, device: Device) -> None:
        """See Namespaces."""
        target = self._namespaces.get(namespace)
        if target is None:
            target = self._namespaces[namespace] = Namespace(namespace.rpartition("/")[2])
        try:
            self._kernel.take_into(target, name, device.name)
            if device.mac:
                self._kernel.link("set", target, ifname=device.name, address=device.mac)
        except KernelError as problem:
            raise LinkUnusable(str(problem)) from problem

    def has(self, namespace: str, device: str) -> bool:
        """Tell whether a link is in a namespace."""
        found = self._namespaces.get(namespace)
        return found is not None and device in found.devices

    def give_back(self, namespace: str, device: str, name: str) -> None:
        """See Namespaces."""
        source = self._namespaces.get(namespace)
        if source is not None and device in source.devices:
            self._kernel.give_back(source, device, name)

    def destroy(self, namespace: str) -> None:
        """See Namespaces."""
        gone = self._namespaces.pop(namespace, None)
        if gone is not None:
            self._kernel.destroy(gone)

    def clear(self) -> None:
        """Remove all of them."""
        for namespace in list(self._namespaces):
            self.destroy(namespace)
