"""A network driver that only notes its calls, to compare the simulated Docker with the real one.

It refuses what :func:`refusal` says, so both get the same refusals. ``python -m tests.simulation.docker.small_plugin
SOCKET RECORD`` serves a real Docker: it makes a link for each Join, and writes each call to the file RECORD.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.protocol import Factory, Protocol

from tests.simulation.docker.addressing import Pool
from tests.simulation.docker.errors import DockerError

#: The last number of an address whose endpoint is refused, and of one whose Join is.
REFUSED_ENDPOINT, REFUSED_JOIN = 66, 99
#: The option of a network that is refused.
REFUSED_OPTION = "refused"
#: The option of a network that says of which families it has gateways: 4, 6, 46, or none.
GATEWAYS_OPTION = "gateways"

#: What Docker asks any plugin; these calls have no body.
_INTRODUCTIONS = (
    "Plugin.Activate",
    "NetworkDriver.GetCapabilities",
    "IpamDriver.GetCapabilities",
    "IpamDriver.GetDefaultAddressSpaces",
)
#: The pools that it gives to those who ask for none.
_POOLS = {False: "10.40.0.0/24", True: "fd00:40::/64"}


def refusal(method: str, address: str, options: Mapping[str, str]) -> str | None:
    """Return why a call is refused, if it is.

    Args:
        method: Its name.
        address: That of the endpoint, with a prefix length.
        options: Those of the network.
    """
    last = address.partition("/")[0].rpartition(".")[2]
    if method == "CreateNetwork" and REFUSED_OPTION in options:
        return "no such network here"
    if (method, last) in (("CreateEndpoint", str(REFUSED_ENDPOINT)), ("Join", str(REFUSED_JOIN))):
        return f"no {method} of {address} here"
    return None


class SmallPlugin:
    """The driver.

    Args:
        kinds: What it says that it implements.
        note: Is told of each call.
        make_link: Makes a link of a name; ``remove_link`` removes it, if it is there.
    """

    def __init__(
        self,
        note: Callable[[str, Any], None],
        kinds: Sequence[str] = ("NetworkDriver", "IpamDriver"),
        make_link: Callable[[str], None] = lambda _name: None,
        remove_link: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._note = note
        self._kinds = kinds
        self._make_link = make_link
        self._remove_link = remove_link
        self._networks: dict[str, dict[str, Any]] = {}
        self._addresses: dict[str, str] = {}
        self._pools: dict[str, Pool] = {}

    def answer(self, path: str, body: bytes) -> dict[str, Any]:
        """Return the answer to a call."""
        request = json.loads(body) if body.strip() else None
        self._note(path, request)
        method = path.partition(".")[2]
        if path in _INTRODUCTIONS:
            return self._introduction(method)
        if request is None:
            return {"Err": f"{method} came without its body"}
        if path.startswith("IpamDriver."):
            return self._addressed(method, request)
        network = self._networks.get(request["NetworkID"], {})
        if method == "CreateNetwork":
            network = self._networks[request["NetworkID"]] = request
        if method == "CreateEndpoint":
            self._addresses[request["EndpointID"]] = request["Interface"]["Address"]
        address = self._addresses.get(request.get("EndpointID", ""), "")
        options = network.get("Options", {}).get("com.docker.network.generic") or {}
        if problem := refusal(method, address, options):
            return {"Err": problem}
        return self._done(method, request, network, address)

    def _introduction(self, method: str) -> dict[str, Any]:
        if method == "Activate":
            return {"Implements": list(self._kinds)}
        return {"Scope": "local", "LocalDefaultAddressSpace": "nuage", "GlobalDefaultAddressSpace": "nuage"}

    def _addressed(self, method: str, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a call of IPAM. A pool's ID is the pool itself."""
        if method == "RequestPool":
            pool = request["Pool"] or _POOLS[request["V6"]]
            self._pools.setdefault(pool, Pool(pool))
            return {"PoolID": pool, "Pool": pool}
        if method == "RequestAddress":
            try:
                return {"Address": self._pools[request["PoolID"]].take(request["Address"])}
            except DockerError as problem:
                return {"Error": str(problem)}
        if method == "ReleaseAddress":
            self._pools[request["PoolID"]].give_back(request["Address"])
        return {}

    def _done(self, method: str, request: dict[str, Any], network: dict[str, Any], address: str) -> dict[str, Any]:
        if method == "CreateEndpoint":
            return {"Interface": {} if request["Interface"]["MacAddress"] else {"MacAddress": _mac(address)}}
        name = f"nc{request.get('EndpointID', '')[:13]}"
        if method in ("Leave", "DeleteEndpoint"):
            self._remove_link(name)
        if method == "Join":
            self._make_link(name)
            return {"InterfaceName": {"SrcName": name, "DstPrefix": "eth"}, **_routes(network)}
        return {"Value": {}} if method == "EndpointOperInfo" else {}


def _mac(address: str) -> str:
    numbers = address.partition("/")[0].split(".")
    return "7a:42:" + ":".join(f"{int(each):02x}" for each in numbers)


def _routes(network: dict[str, Any]) -> dict[str, Any]:
    options = network.get("Options", {})
    if options.get("com.docker.network.internal"):
        return {"DisableGatewayService": True}
    families = (options.get("com.docker.network.generic") or {}).get(GATEWAYS_OPTION, "46")
    pools = {"Gateway": ("4", network.get("IPv4Data")), "GatewayIPv6": ("6", network.get("IPv6Data"))}
    return {
        key: pool[0]["Gateway"].partition("/")[0]
        for key, (family, pool) in pools.items()
        if pool and family in families
    }


class SmallPluginConnection(Protocol):
    """A connection to it, which carries one call after the other."""

    transport: Any

    def __init__(self, plugin: SmallPlugin) -> None:
        self._plugin = plugin
        self._received = b""

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.decode().split("\r\n")
        lengths = [int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")]
        length = lengths[0] if lengths else 0
        if len(rest) < length:
            return
        self._received = rest[length:]
        path = lines[0].split()[1].lstrip("/")
        self.answer(path, json.dumps(self._plugin.answer(path, rest[:length])).encode())

    def answer(self, _path: str, content: bytes) -> None:
        """Send the answer to a call."""
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content))


class SmallPluginFactory(Factory):
    """Serves a :class:`SmallPlugin`."""

    noisy = False

    def __init__(self, plugin: SmallPlugin) -> None:
        self._plugin = plugin

    def buildProtocol(self, _address: Any) -> SmallPluginConnection:
        """See twisted.internet.protocol.Factory."""
        return SmallPluginConnection(self._plugin)


def _serve(socket: Path, record: Path) -> None:
    from twisted.internet import reactor

    running: Any = reactor
    with record.open("w") as written:

        def note(path: str, request: Any) -> None:
            written.write(json.dumps({"method": path, "request": request}) + "\n")
            written.flush()

        def make_link(name: str) -> None:
            subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"nh{name[2:]}"], check=True)

        def remove_link(name: str) -> None:
            # Docker has the other end in the container.
            subprocess.run(["ip", "link", "delete", f"nh{name[2:]}"], check=False, capture_output=True)

        socket.parent.mkdir(parents=True, exist_ok=True)
        plugin = SmallPlugin(note, make_link=make_link, remove_link=remove_link)
        running.listenUNIX(str(socket), SmallPluginFactory(plugin))
        running.run()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), Path(sys.argv[2]))
