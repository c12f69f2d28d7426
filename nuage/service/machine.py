"""What the daemon has of the machine that it runs on, besides the reactor."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random, SystemRandom

import attrs
from twisted.python.threadpool import ThreadPool

from nuage.libnetwork.unix_server import make_room
from nuage.links.links import one_thread, open_kernel
from nuage.links.veth import Netlink
from nuage.service import systemd


@attrs.frozen(kw_only=True)
class Machine:
    """All that the reactor does not give. It is this machine's, unless somebody says otherwise.

    Attributes:
        open_netlink: Returns the links of the calling thread's network namespace.
        make_pool: Returns a pool of one thread, by its name.
        make_room: Makes room for the socket of a key of the configuration.
        passed_sockets: Returns the sockets that systemd made and passed; see
            :func:`nuage.service.systemd.passed_sockets`.
        time_of_day: Returns the Unix time.
        random: Chance.
        host_name: The machine's name, its domain included if it has one there.
        process_id: Returns the daemon's, which becomes another one when ``twistd`` goes to the background.
    """

    open_netlink: Callable[[], Netlink] = open_kernel
    make_pool: Callable[[str], ThreadPool] = one_thread
    make_room: Callable[[str, Path], None] = make_room
    passed_sockets: Callable[[Mapping[str, str], int, Mapping[str, Path]], Mapping[str, socket.socket]] = (
        systemd.passed_sockets
    )
    time_of_day: Callable[[], float] = time.time
    random: Random = attrs.field(factory=SystemRandom)
    host_name: str = attrs.field(factory=socket.gethostname)
    process_id: Callable[[], int] = os.getpid
