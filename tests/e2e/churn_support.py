"""A host whose plugin audits often and waits briefly, and containers that come and go on it all the time."""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import re
import subprocess
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import attrs

from lab.dockerd import IMAGE
from lab.host import Host
from lab.shell import NeverHappened, wait_until
from tests.e2e.host_support import PLACE, ROOT, HostTestCase, demand_programs

#: Seconds that one docker command may take. Docker's own retries of one call take up to 15.
_COMMAND_TIME = 120.0

#: How Docker says that its retries ran out, that the connection broke after them, or that a retry came without a body.
RETRIES_RAN_OUT = (
    r"nuage\.sock: connect: (connection refused|no such file or directory)",
    r'Post "?http://%2Frun%2Fdocker%2Fplugins%2Fnuage\.sock/\S+: EOF',
    r"nuage\.sock->\S+: read: connection reset by peer|write: broken pipe|connection reset by peer",
    r"the request has no body",
    r"plugin \"?nuage\"? not found|could not find plugin nuage",
)


#: The plugin's configuration, in seconds. An ovs-vswitchd that lost its database tries to connect every 8 s at least.
CONFIGURATION = {
    "audit_interval": 1.0,
    "vrs_timeout": 3.0,
    "probe_interval": 1.0,
    "wire_timeout": 9.0,
    "call_timeout": 13.0,
}


@cache
def _host() -> Host:
    for folder in ROOT.glob("churn-*"):
        # That of an earlier run which was killed.
        if not Path("/proc", folder.name.partition("-")[2]).exists():
            Host(folder.name, ROOT).remove()
    host = Host(f"churn-{os.getpid()}", ROOT)
    atexit.register(host.remove)
    host.start(**CONFIGURATION)
    return host


@attrs.frozen
class Command:
    """A docker command that failed."""

    words: tuple[str, ...]
    message: str
    seconds: float

    def explained_by(self, patterns: tuple[str, ...]) -> bool:
        """Tell whether the message is one of those expected."""
        return any(re.search(pattern, self.message) for pattern in patterns)

    def __str__(self) -> str:
        return f"docker {' '.join(self.words)} ({self.seconds:.1f} s): {self.message}"


class Churn:
    """Creates, runs, connects, disconnects, stops and removes, in some threads at once.

    Args:
        host: Where.
        seed: Decides what is done.
        threads: How much is done at once; each thread has containers and networks of its own.
    """

    def __init__(self, host: Host, seed: int, threads: int = 3) -> None:
        self._host = host
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number, random.Random(seed + number))) for number in range(threads)
        ]
        self.succeeded = 0
        self.failed: list[Command] = []
        self.longest = 0.0

    def __enter__(self) -> Churn:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def clean(self) -> None:
        """Remove whatever it made that is there still."""
        for what in (("ps", "-aq", "--filter=name=churn"), ("network", "ls", "-q", "--filter=name=churn")):
            ids = self._host.docker(*what).stdout.split()
            remove = ("rm", "-f") if what[0] == "ps" else ("network", "rm")
            if ids:
                self._host.docker(*remove, *ids, timeout=_COMMAND_TIME)

    def _run(self, number: int, choice: random.Random) -> None:
        base = f"churn-{number}-base"
        while not self._stop.is_set() and not self._create_network(base, number):
            pass
        turn = 0
        while not self._stop.is_set():
            turn += 1
            self._cycle(number, turn, base, choice)

    def _cycle(self, number: int, turn: int, base: str, choice: random.Random) -> None:
        """Have a container come and go; what fails is not repeated, the rest of its life is left out."""
        name = f"churn-{number}-{turn}"
        other = f"{name}-other"
        with_other = choice.random() < 0.4
        steps: list[Callable[[], bool]] = [
            lambda: self._docker("run", "-d", "--name", name, "--net", base, IMAGE, "sleep", "1000"),
        ]
        if with_other:
            steps += [
                lambda: self._create_network(other, 100 + number),
                lambda: self._docker("network", "connect", other, name),
                lambda: self._docker("network", "disconnect", other, name),
            ]
        if choice.random() < 0.5:
            steps += [lambda: self._docker("stop", "-t", "0", name), lambda: self._docker("start", name)]
        for step in steps:
            if self._stop.is_set() or not step():
                break
        # A container that was never made is no failure of its removal, nor is a network.
        self._docker("rm", "-f", name, missing=True)
        if with_other:
            self._docker("network", "rm", other, missing=True)

    def _create_network(self, name: str, number: int) -> bool:
        place = [f"-o={key}={value}" for key, value in PLACE.items()]
        return self._docker("network", "create", "--driver=nuage", *place, f"--subnet=10.99.{number}.0/24", name)

    def _docker(self, *words: str, missing: bool = False) -> bool:
        start = time.monotonic()
        try:
            done = self._host.docker(*words, check=False, timeout=_COMMAND_TIME)
            code, message = done.returncode, done.stderr.strip()
        except subprocess.TimeoutExpired:
            code, message = 1, f"not within {_COMMAND_TIME:g} s"
        seconds = time.monotonic() - start
        self.longest = max(self.longest, seconds)
        if code == 0 or (missing and re.search("No such (container|network)|not found", message)):
            self.succeeded += 1
            return True
        self.failed.append(Command(words, message, seconds))
        return False


class ChurnTestCase(HostTestCase):
    """A test that disturbs a host on which containers come and go."""

    timeout = 300

    def demand_host(self) -> Host:
        """Return the host that these tests share."""
        demand_programs()
        return _host()

    def tearDown(self) -> None:
        """Have everything running again for the next test, whatever this one did."""
        if self.host.switch.database.pid is None:
            self.host.switch.start_database()
        if self.host.switch.daemon.pid is None:
            self.host.switch.start_daemon()
        if self.host.plugin.process.pid is None:
            self.start_plugin()
        super().tearDown()

    def assert_nothing_left(self) -> None:
        """Assert that the host looks as it did at the start, at the latest after audits that found it at rest."""
        with contextlib.suppress(NeverHappened):
            wait_until("audits", lambda: self.state() == self._before, 15)
        super().assert_nothing_left()

    def assert_explained(self, churn: Churn, patterns: tuple[str, ...]) -> None:
        """Assert that docker commands failed for no other reasons than these, and that most did not."""
        strange = [command for command in churn.failed if not command.explained_by(patterns)]
        self.assertEqual([str(command) for command in strange], [])
