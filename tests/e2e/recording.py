"""Records conversations of the Docker that LAB_DOCKER names with the real plugin: ``tests/record``.

They have all that makes up the lives of networks and containers. What only newer releases of Docker know is left out
with older ones.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from subprocess import CompletedProcess
from typing import Protocol

from lab.controlled import ControlledHost
from lab.dockerd import IMAGE
from lab.host import Host
from lab.managed import NAME, create, enable
from lab.plugin import SOCKET
from lab.shell import Process, run, wait_until
from tests.e2e.host_support import controlled_host, place_options
from tests.e2e.managed_support import managed_plugin

RECORDED = Path(__file__).parent.parent / "recorded"
#: Where the plugin listens while the recorder has its place.
_BEHIND = Path("/run/nuage-behind.sock")
#: The first release of Docker in which networks have priorities for the default gateway.
_PRIORITIES = 28
_POLICY_GROUP = "driver-opt=nuage.policy-group=web"
_OPTION = "com.docker.network.endpoint"
_SYSCTLS = f"--driver-opt={_OPTION}.sysctls=net.ipv4.conf.IFNAME.log_martians=1"


class Cli(Protocol):
    """A Docker host that takes commands: a real one, or a simulated one."""

    def docker(self, *words: str, check: bool = True) -> CompletedProcess[str]:
        """Run the docker CLI."""


def main() -> None:
    """Record both conversations, in place of those that are there."""
    for suffix, converse in (("", _alone), ("-swarm", _in_swarm)):
        host = controlled_host("record-")
        requests = host.folder / "requests.jsonl"
        converse(host, requests)
        file = RECORDED / f"docker-{_version(host)}{suffix}.jsonl"
        # A daemon of the lab has its own folder where others have this one.
        file.write_text(requests.read_text().replace(str(host.folder / "docker" / "exec"), "/var/run/docker"))
        host.remove()
        print(f"{len(file.read_text().splitlines())} requests in {file}")


def _version(host: Cli) -> str:
    return host.docker("version", "--format={{.Server.Version}}").stdout.strip().partition("+")[0]


def _start_recorder(host: Host, socket: Path, plugin: Path, requests: Path) -> None:
    """Have a recorder listen on a socket of the host's in front of that of the plugin."""
    command = (sys.executable, "-m", "lab.recorder", socket, plugin, requests)
    Process("recorder", host.folder).start(*host.namespace.inside(*command))
    wait_until("the recorder listens", host.namespace.outside(socket).exists)


def _alone(host: ControlledHost, requests: Path) -> None:
    """Record networks of several kinds and their containers."""
    host.prepare()
    _start_recorder(host, SOCKET, _BEHIND, requests)
    host.boot(plugin_socket=str(_BEHIND))
    live(host)
    remove(host)


def live(host: Cli) -> None:
    """Have networks of several kinds and their containers live."""
    _create_networks(host)
    _run_containers(host)
    _change_containers(host)


def remove(host: Cli) -> None:
    """Remove all of them. Docker removes containers at the same time."""
    host.docker("rm", "-f", "plain", "fixed", "dual", "shut")
    host.docker("network", "rm", "one", "both", "inner")


def _create_networks(host: Cli) -> None:
    words = ("network", "create", "--driver=nuage")
    one = ("--subnet=10.21.59.0/24", "--gateway=10.21.59.1", "--aux-address=dhcp=10.21.59.3", "--label=a=b")
    host.docker(*words, *place_options(), *one, "one")
    both = ("--subnet=10.21.58.0/24", "--ip-range=10.21.58.128/25", "--ipv6", "--subnet=fd00:58::/64")
    host.docker(*words, *place_options(subnet="Range"), *both, "-o=com.docker.network.driver.mtu=1400", "both")
    inner = ("--internal", "--subnet=10.21.60.0/24")
    host.docker(*words, *place_options(zone="Backend", subnet="Storage"), *inner, "inner")
    # The VSD, which the plugin's IPAM driver needs, is not configured.
    refused = host.docker(*words, "--ipam-driver=nuage", *place_options(), "refused", check=False)
    assert refused.returncode, "an address pool without a VSD should have been refused"


def _run_containers(host: Cli) -> None:
    def start(name: str, network: str, *words: str) -> None:
        host.docker("run", "-d", f"--name={name}", f"--network={network}", *words, IMAGE, "sleep", "1000")

    start("plain", "one", "--publish=8080:80", "--expose=90", "--stop-signal=SIGKILL")
    start("fixed", f"name=one,{_POLICY_GROUP}", "--ip=10.21.59.77", "--mac-address=02:42:0a:15:3b:4d")
    start("dual", f"name=both,driver-opt={_OPTION}.ifname=web0", "--ip6=fd00:58::77")
    start("shut", "inner", "--network-alias=db", "--hostname=db")


def _change_containers(host: Cli) -> None:
    """Connect, disconnect, restart and look, and attach what does not start."""
    host.docker("network", "connect", "--driver-opt=nuage.policy-group=web", "both", "plain")
    host.docker("network", "connect", "--ip=10.21.59.78", "--alias=other", _SYSCTLS, "one", "dual")
    if int(_version(host).partition(".")[0]) >= _PRIORITIES:
        host.docker("network", "connect", "--gw-priority=1", "one", "shut")
    for name in ("one", "both", "inner"):
        host.docker("network", "inspect", "--verbose", name)
    host.docker("restart", "plain")
    host.docker("network", "disconnect", "both", "plain")
    host.docker("network", "disconnect", "--force", "one", "dual")
    host.docker("kill", "fixed")
    host.docker("start", "fixed")
    failed = host.docker("run", "--name=failed", "--network=one", IMAGE, "/missing", check=False)
    assert failed.returncode, "a program that is not there should not have started"
    host.docker("rm", "failed")


def _in_swarm(host: ControlledHost, requests: Path) -> None:
    """Record a service and an attached container in a swarm of one node."""
    host.start()
    _install_behind_recorder(host, requests)
    host.docker("swarm", "init", "--advertise-addr=127.0.0.1")
    pool = ("--subnet=10.21.59.0/24", "--gateway=10.21.59.1", "--attachable")
    host.docker("network", "create", f"--driver={NAME}", *place_options(), *pool, "swarmed")
    options = ("--detach", "--no-resolve-image", "--endpoint-mode=dnsrr", "--stop-signal=SIGKILL")
    network = f"--network=name=swarmed,{_POLICY_GROUP}"
    host.docker("service", "create", "--name=web", network, "--replicas=2", *options, IMAGE, "sleep", "1000")
    _wait_for_tasks(host, 2)
    host.docker("run", "-d", "--name=alone", "--network=swarmed", IMAGE, "sleep", "1000")
    host.docker("network", "inspect", "swarmed")
    host.docker("service", "scale", "--detach", "web=1")
    _wait_for_tasks(host, 1)
    host.docker("rm", "-f", "alone")
    host.docker("service", "rm", "web")
    _wait_for_tasks(host, 0)
    wait_until("the network is removed", lambda: not host.docker("network", "rm", "swarmed", check=False).returncode)
    wait_until("the plugin knows it", lambda: "NetworkDriver.FreeNetwork" in requests.read_text())


def _install_behind_recorder(host: Host, requests: Path) -> None:
    """Install the managed plugin so that Docker calls it on a socket of the recorder's, beside the plugin's own."""
    folder = host.folder / "managed"
    folder.mkdir()
    run("cp", "-al", managed_plugin() / "rootfs", folder)
    config = json.loads((managed_plugin() / "config.json").read_text())
    config["interface"]["socket"] = "recorder.sock"
    (folder / "config.json").write_text(json.dumps(config))
    create(host, folder)
    sockets = SOCKET.parent / host.docker("plugin", "inspect", "--format={{.Id}}", NAME).stdout.strip()
    _start_recorder(host, sockets / "recorder.sock", sockets / SOCKET.name, requests)
    enable(host)


def _wait_for_tasks(host: Host, count: int) -> None:
    def running() -> bool:
        return len(host.docker("ps", "--quiet", "--filter=name=web").stdout.split()) == count

    wait_until(f"the service has {count} containers", running, 60)


if __name__ == "__main__":
    main()
