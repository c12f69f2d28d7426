"""The words of the docker CLI, for the simulated Docker."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.simulation.docker.commands import Outcome
from tests.simulation.docker.docker import Docker
from tests.simulation.docker.store import Attachment, PoolRequest

#: The options of all commands: those that are given or not, those that may come again, and the others.
_FLAGS = ("-d", "-f", "--force", "--internal", "--ipv6", "--rm", "--verbose")
_LISTS = (
    "--aux-address",
    "--driver-opt",
    "--expose",
    "--gateway",
    "--ip-range",
    "--ipam-opt",
    "--label",
    "-o",
    "--publish",
    "--subnet",
)
_OPTIONS = ("--driver", "--ip", "--ip6", "--ipam-driver", "--mac-address", "--name", "--network", "--restart")
#: What no driver is told.
_IGNORED = ("--alias", "--format", "--hostname", "--network-alias", "--stop-signal", "--time")


def carry_out(docker: Docker, words: Sequence[str]) -> Deferred[Outcome]:
    """Have a Docker host carry out a command, such as ``network create --driver=nuage one``."""
    length = 2 if words[0] == "network" else 1
    command = _COMMANDS[" ".join(words[:length])]
    return command(docker, _parser().parse_args(words[length:]))


def _parser() -> ArgumentParser:
    parser = ArgumentParser(allow_abbrev=False)
    for flag in _FLAGS:
        parser.add_argument(flag, action="store_true")
    for option in _LISTS:
        parser.add_argument(option, action="append", default=[])
    for option in (*_OPTIONS, *_IGNORED):
        parser.add_argument(option, default="")
    parser.add_argument("--gw-priority", type=int, default=0)
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


def _attachment(told: Namespace, options: Sequence[str] = ()) -> Attachment:
    return Attachment(
        ip=told.ip,
        ip6=told.ip6,
        mac=told.mac_address,
        priority=told.gw_priority,
        driver_options=_pairs((*told.driver_opt, *options)),
    )


def _create_network(docker: Docker, told: Namespace) -> Deferred[Outcome]:
    return docker.create_network(
        told.rest[0],
        driver=told.driver,
        options=_pairs(told.o),
        pools=[_pool(told, subnet) for subnet in told.subnet],
        internal=told.internal,
        ipv6=told.ipv6,
        ipam=told.ipam_driver or "default",
        ipam_options=_pairs(told.ipam_opt),
    )


def _made(make: Callable[..., Deferred[Outcome]], told: Namespace) -> Deferred[Outcome]:
    """Make a container. Its network may be a name, or a name with options of the driver."""
    name, *fields = told.network.removeprefix("name=").split(",")
    options = [each.removeprefix("driver-opt=") for each in fields]
    return make(
        told.name,
        name,
        _attachment(told, options),
        labels=_pairs(told.label),
        restart=told.restart or "no",
        auto_remove=told.rm,
        published=tuple((int(outside), int(inside)) for outside, inside in (each.split(":") for each in told.publish)),
        exposed=tuple(map(int, told.expose)),
        # A program that is not in the image is named by its path.
        program=not told.rest[1].startswith("/"),
    )


def _each(command: Callable[[str], Deferred[Outcome]], told: Namespace) -> Deferred[Outcome]:
    """Carry out a command for several names at once, as the CLI does."""
    done = gatherResults([command(name) for name in told.rest])
    return done.addCallback(lambda outcomes: next((each for each in outcomes if not each.ok), outcomes[0]))


async def _remove_networks(docker: Docker, told: Namespace) -> Outcome:
    """Remove one network after the other, as the CLI does."""
    outcomes = [await docker.remove_network(name) for name in told.rest]
    return next((each for each in outcomes if not each.ok), outcomes[0])


_COMMANDS: dict[str, Callable[[Docker, Any], Deferred[Outcome]]] = {
    "network create": _create_network,
    "network rm": lambda docker, told: Deferred.fromCoroutine(_remove_networks(docker, told)),
    "network connect": lambda docker, told: docker.connect(told.rest[0], told.rest[1], _attachment(told)),
    "network disconnect": lambda docker, told: docker.disconnect(told.rest[0], told.rest[1], force=told.f),
    "run": lambda docker, told: _made(docker.run, told),
    "create": lambda docker, told: _made(docker.create, told),
    "start": lambda docker, told: _each(docker.start, told),
    "stop": lambda docker, told: _each(docker.stop, told),
    "kill": lambda docker, told: _each(docker.kill, told),
    "restart": lambda docker, told: _each(docker.restart, told),
    "rm": lambda docker, told: _each(lambda name: docker.remove(name, force=told.f), told),
    "rename": lambda docker, told: docker.rename(told.rest[0], told.rest[1]),
}
