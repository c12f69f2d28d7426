"""The words of the docker CLI, for the simulated Docker."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from twisted.internet.defer import Deferred

from tests.simulation.docker.commands import Outcome
from tests.simulation.docker.docker import Docker
from tests.simulation.docker.store import Attachment, PoolRequest


def carry_out(docker: Docker, words: Sequence[str]) -> Deferred[Outcome]:
    """Have a Docker host carry out a command, such as ``network create -d nuage one``."""
    length = 2 if words[0] == "network" else 1
    command = _COMMANDS[" ".join(words[:length])]
    return command(docker, _parser().parse_args(words[length:]))


def _parser() -> ArgumentParser:
    parser = ArgumentParser(allow_abbrev=False)
    for flag in ("-d", "--internal", "--ipv6", "-f"):
        parser.add_argument(flag, action="store_true")
    for option in (
        "--subnet",
        "--gateway",
        "--ip-range",
        "--aux-address",
        "--label",
        "--driver-opt",
        "--opt",
        "--ipam-opt",
    ):
        parser.add_argument(option, action="append", default=[])
    for option in (
        "--driver",
        "--ipam-driver",
        "--name",
        "--network",
        "--ip",
        "--mac-address",
        "--restart",
        "--time",
        "--stop-signal",
    ):
        parser.add_argument(option, default="")
    parser.add_argument("rest", nargs="*")
    return parser


def _pairs(told: Sequence[str]) -> dict[str, str]:
    return dict(each.split("=", 1) for each in told)


def _pool(told: Namespace, subnet: str) -> PoolRequest:
    def within(address: str) -> bool:
        return ip_address(address.partition("/")[0]) in ip_network(subnet)

    return PoolRequest(
        subnet=subnet,
        gateway=next(filter(within, told.gateway), ""),
        ip_range=next(filter(within, told.ip_range), ""),
        auxiliary={name: each for name, each in _pairs(told.aux_address).items() if within(each)},
    )


def _attachment(told: Namespace) -> Attachment:
    return Attachment(ip=told.ip, mac=told.mac_address, driver_options=_pairs(told.driver_opt))


def _create_network(docker: Docker, told: Namespace) -> Deferred[Outcome]:
    return docker.create_network(
        told.rest[0],
        driver=told.driver,
        options=_pairs(told.opt),
        pools=[_pool(told, subnet) for subnet in told.subnet],
        internal=told.internal,
        ipam=told.ipam_driver or "default",
        ipam_options=_pairs(told.ipam_opt),
        ipv6=told.ipv6,
    )


def _run(docker: Docker, told: Namespace) -> Deferred[Outcome]:
    return docker.run(
        told.name, told.network, _attachment(told), labels=_pairs(told.label), restart=told.restart or "no"
    )


def _create(docker: Docker, told: Namespace) -> Deferred[Outcome]:
    return docker.create(
        told.name, told.network, _attachment(told), labels=_pairs(told.label), restart=told.restart or "no"
    )


_COMMANDS: dict[str, Callable[[Docker, Any], Deferred[Outcome]]] = {
    "network create": _create_network,
    "network rm": lambda docker, told: docker.remove_network(told.rest[0]),
    "network connect": lambda docker, told: docker.connect(told.rest[0], told.rest[1], _attachment(told)),
    "network disconnect": lambda docker, told: docker.disconnect(told.rest[0], told.rest[1]),
    "run": _run,
    "create": _create,
    "start": lambda docker, told: docker.start(told.rest[0]),
    "stop": lambda docker, told: docker.stop(told.rest[0]),
    "kill": lambda docker, told: docker.kill(told.rest[0]),
    "restart": lambda docker, told: docker.restart(told.rest[0]),
    "rm": lambda docker, told: docker.remove(told.rest[0], force=told.f),
    "rename": lambda docker, told: docker.rename(told.rest[0], told.rest[1]),
}
