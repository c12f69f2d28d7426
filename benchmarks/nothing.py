"""A remote driver for Docker that makes the veth pair of a container, and nothing else: no driver can do less.

It runs inside a host of the lab (see attach.py), serves each of Docker's connections in a thread, and keeps nothing but
the gateway of its networks. Like nuage-plugin it removes a pair after it has answered Docker's Leave.

    python benchmarks/nothing.py --socket /run/docker/plugins/nothing.sock
"""

from __future__ import annotations

import argparse
import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from pyroute2 import IPRoute, NetlinkError

MTU = 1450


class Driver(ThreadingMixIn, UnixStreamServer):
    """Listens on a socket, and makes the links."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: str) -> None:
        super().__init__(path, _Calls)
        self._netlink, self._lock = IPRoute(), threading.Lock()
        self._gateways: dict[str, str] = {}

    def answer(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a call."""
        if call == "Plugin.Activate":
            return {"Implements": ["NetworkDriver"]}
        if call == "NetworkDriver.GetCapabilities":
            return {"Scope": "local"}
        if call == "NetworkDriver.CreateNetwork":
            self._gateways[body["NetworkID"]] = body["IPv4Data"][0]["Gateway"].partition("/")[0]
        if call == "NetworkDriver.CreateEndpoint":
            return {"Interface": {}}
        if call == "NetworkDriver.Join":
            return self._join(body["NetworkID"], body["EndpointID"])
        return {}

    def answered(self, call: str, body: dict[str, Any]) -> None:
        """Begin what nobody waits for."""
        if call == "NetworkDriver.Leave":
            host, _ = _names(body["EndpointID"])
            threading.Thread(target=_remove, args=(host,), daemon=True).start()

    def _join(self, network_id: str, endpoint_id: str) -> dict[str, Any]:
        host, end = _names(endpoint_id)
        with self._lock:
            self._netlink.link("add", ifname=host, kind="veth", peer={"ifname": end, "mtu": MTU}, mtu=MTU)
            self._netlink.link("set", ifname=host, state="up")
        return {"InterfaceName": {"SrcName": end, "DstPrefix": "eth"}, "Gateway": self._gateways[network_id]}


def _remove(host: str) -> None:
    # The pair may go with its container before. The socket is this thread's own: a removal takes the kernel longest.
    with IPRoute() as netlink, suppress(NetlinkError):
        netlink.link("del", ifname=host)


def _names(endpoint_id: str) -> tuple[str, str]:
    return f"no{endpoint_id[:13]}", f"nc{endpoint_id[:13]}"


class _Calls(BaseHTTPRequestHandler):
    """Reads Docker's calls."""

    server: Driver
    protocol_version = "HTTP/1.1"
    # One packet for each answer.
    wbufsize = -1

    def do_POST(self) -> None:
        """Answer a call."""
        call = self.path.lstrip("/")
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        content = json.dumps(self.server.answer(call, body)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.plugins.v1.2+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()
        self.server.answered(call, body)

    def log_message(self, *_words: Any) -> None:
        """Write no log."""


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    Driver(parser.parse_args().socket).serve_forever()


if __name__ == "__main__":
    main()
