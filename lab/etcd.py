"""The store through which Docker daemons up to 20.10 share their networks: an etcd that all hosts reach."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.fabric import Fabric
from lab.shell import Process, run, wait_until

PROGRAM = "etcd"

_CLIENTS, _PEERS = (f"http://{Fabric.address}:{port}" for port in (2379, 2380))
_DOCKER_PORT = 2376
#: A program that prints the content of a URL.
_ASK = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=2).read().decode())"


class Etcd:
    """An etcd of one member in a fabric.

    Args:
        fabric: Where it runs. The fabric has to be made first.
        folder: Folder for its files.
    """

    def __init__(self, fabric: Fabric, folder: Path) -> None:
        self._fabric = fabric
        self._data = folder / "etcd"
        self.process = Process("etcd", folder)

    @staticmethod
    def docker_args(address: str) -> tuple[str, ...]:
        """Return the arguments of a dockerd that shares its networks here, on the host of an address."""
        store = _CLIENTS.replace("http", "etcd")
        return (f"--cluster-store={store}", f"--cluster-advertise={address}:{_DOCKER_PORT}")

    def start(self) -> None:
        """Start it with the data that it has, and wait until it answers."""
        self.process.start(
            *self._fabric.inside(
                PROGRAM,
                f"--data-dir={self._data}",
                # Docker speaks no other version.
                "--enable-v2",
                *(f"--listen-client-urls={_CLIENTS}", f"--advertise-client-urls={_CLIENTS}"),
                *(f"--listen-peer-urls={_PEERS}", f"--initial-advertise-peer-urls={_PEERS}"),
                f"--initial-cluster=default={_PEERS}",
            )
        )
        wait_until("etcd answers", self._answers, 20)

    def stop(self) -> None:
        """Stop it; its data stay."""
        self.process.stop()

    def _answers(self) -> bool:
        question = self._fabric.inside(sys.executable, "-c", _ASK, f"{_CLIENTS}/health")
        return '"true"' in run(*question, check=False).stdout
