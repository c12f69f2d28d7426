"""What the demonstrations type and print."""

from __future__ import annotations

import shlex
from socket import gethostname

from vspk import v6

from lab.host import Host
from lab.pair import Pair
from lab.plugin import COMMAND
from lab.sdk import provider
from lab.switch import DATABASE


def type_docker(host: Host, *words: str, check: bool = True) -> None:
    """Run a docker command; print it as a user types it, with its output."""
    print(f"\n{host.name}$ docker {shlex.join(words)}")
    print(host.docker(*words, check=check).stdout.strip())


def show_rows(host: Host, container: str, address: str) -> None:
    """Print what the VRS has of a container."""
    print(f"\nWhat the VRS sees of {container}, and what it has answered:")
    for table, column, value in (("Nuage_Port_Table", "ip_addr", address), ("Nuage_VM_Table", "vm_name", container)):
        words = ("ovsdb-client", "--format=list", "dump", DATABASE, "Open_vSwitch", table)
        print(f"\n{host.name}$ {shlex.join(words)}")
        rows = host.run(*words).stdout.split("\n\n")
        print(next(row for row in rows if _has(row, column, value)).removeprefix(f"{table} table\n").rstrip())


def show_vport(pair: Pair, container: str) -> None:
    """Print what the VSD has of a container, as Nuage's own SDK shows it."""
    print(f"\nWhat the VSD knows of {container}, by Nuage's own SDK:")
    with provider(pair.vsc) as user:
        found = user.containers.get_first(filter=f"name == '{container}'")
        (interface,) = found.container_interfaces.get()
        vport = v6.NUVPort(id=interface.vport_id)
        vport.fetch()
        shown = {
            found: ("name", "enterprise_name", "user_name", "status", "hypervisor_ip"),
            interface: ("ip_address", "mac", "domain_name", "zone_name", "network_name"),
            vport: ("name", "type", "operational_state"),
        }
        for thing, names in shown.items():
            print(f"  {thing.rest_name}: {', '.join(f'{name} {getattr(thing, name)}' for name in names)}")


def _has(row: str, column: str, value: str) -> bool:
    """Tell whether a row, as ovsdb-client lists it, has a value."""
    cells = dict(line.split(": ", 1) for line in row.splitlines() if ": " in line)
    return any(name.strip() == column and cell.strip('"') == value for name, cell in cells.items())


def show_status(host: Host) -> None:
    """Print how the plugin of a host does."""
    print(f"\n{host.name}$ nuage-plugin status")
    print(host.plugin.ask("status").stdout.rstrip())


def show_use(pair: Pair) -> None:
    """Print how to use the hosts from now on."""
    print("\nUse it:")
    for host in pair.hosts:
        print(f"  {host.name}:  export DOCKER_HOST=unix://{host.dockerd.socket}; docker ps")
        # A managed plugin's log is in Docker's.
        log = (host.plugin.process if host.plugin.process.pid else host.dockerd.process).log
        print(f"       less {log}")
        if host.plugin.process.pid:
            print(f"       {COMMAND} --socket {host.plugin.control_socket} status")
            print(f"       ssh -L localhost:8080:{host.plugin.control_socket} root@{gethostname()}", end="")
            print("    # from your desk, then http://localhost:8080/ in its browser")
    print(f"Change the topology:  edit {pair.topology}; kill -HUP {pair.vsc.process.pid}")
    print(f"                      less {pair.vsc.process.log}")
    access = pair.vsc.vsd
    print(f"Ask the VSD:  curl --cacert {access.ca} \\")
    print(f"                  -u {access.user}:{access.password} -H 'X-Nuage-Organization: {access.organization}' \\")
    print(f"                  {pair.vsc.vsd_url}/nuage/api/v6/me        # on the hosts: {access.url}")
    print("End it:  lab/down")
