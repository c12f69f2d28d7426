"""Containers that come and go on a host all the time."""

from __future__ import annotations

import random
import re
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

import attrs

from lab.dockerd import IMAGE
from lab.host import Host
from tests.e2e.disturbance_support import DisturbedTestCase
from tests.e2e.host_support import place_options

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

#: What Docker says where there is nothing to remove, and where a network that an interrupted command made is there.
_NOTHING_TO_REMOVE = r"No such (container|network)|not found"
_THERE_ALREADY = r"network with name \S+ already exists"


@attrs.frozen
class Command:
    """A docker command that failed."""

    words: tuple[str, ...]
    message: str
    seconds: float

    def explained_by(self, patterns: Sequence[str]) -> bool:
        """Tell whether the message is one of those expected."""
        return any(re.search(pattern, self.message) for pattern in patterns)

    def __str__(self) -> str:
        return f"docker {' '.join(self.words)} ({self.seconds:.1f} s): {self.message}"


class Churn:
    """Creates, runs, connects, disconnects, stops and removes, in some threads at once.

    A command that found nothing to do, such as the removal of a container that could not be made, counts for nothing:
    it neither succeeded nor failed.

    Args:
        host: Where.
        seed: Decides what is done.
        threads: How much is done at once, 4 at most; each thread has containers and networks of its own.
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

    @property
    def ratio(self) -> float:
        """The part of the commands that succeeded."""
        return self.succeeded / max(1, self.succeeded + len(self.failed))

    def figures(self) -> dict[str, object]:
        """Return what there is to tell."""
        return {"succeeded": self.succeeded, "failed": len(self.failed), "longest command (s)": self.longest}

    def clean(self) -> None:
        """Remove whatever it made that is there still."""
        for what in (("ps", "-aq", "--filter=name=churn"), ("network", "ls", "-q", "--filter=name=churn")):
            ids = self._host.docker(*what).stdout.split()
            remove = ("rm", "-f") if what[0] == "ps" else ("network", "rm")
            if ids:
                self._host.docker(*remove, *ids, timeout=_COMMAND_TIME)

    def _run(self, number: int, choice: random.Random) -> None:
        base = f"churn-{number}-base"
        while not self._stop.is_set() and not self._create_network(base, "Base", number):
            pass
        turn = 0
        while not self._stop.is_set():
            turn += 1
            self._cycle(number, turn, base, choice)

    def _cycle(self, number: int, turn: int, base: str, choice: random.Random) -> None:
        """Have a container come and go; what fails is not repeated, the rest of its life is left out."""
        name, other = f"churn-{number}-{turn}", f"churn-{number}-other"
        with_other = choice.random() < 0.4
        steps: list[Callable[[], bool]] = [
            # It ends at once when it is told to. A starting Docker that finds it alive would wait 10 s for its end.
            lambda: self._docker(
                *("run", "-d", "--name", name, "--net", base, "--stop-signal=SIGKILL", IMAGE, "sleep", "1000")
            ),
        ]
        if with_other:
            steps += [
                lambda: self._create_network(other, "Other", number),
                lambda: self._docker("network", "connect", other, name),
                lambda: self._docker("network", "disconnect", other, name),
            ]
        if choice.random() < 0.5:
            steps += [lambda: self._docker("stop", "-t", "0", name), lambda: self._docker("start", name)]
        for step in steps:
            if self._stop.is_set() or not step():
                break
        self._docker("rm", "-f", name, idle=_NOTHING_TO_REMOVE)
        if with_other:
            self._docker("network", "rm", other, idle=_NOTHING_TO_REMOVE)

    def _create_network(self, name: str, kind: str, number: int) -> bool:
        place = place_options(domain="Churn", subnet=f"{kind} {number}")
        third = number if kind == "Base" else 100 + number
        words = ("network", "create", "--driver=nuage", *place, f"--subnet=10.99.{third}.0/24", name)
        return self._docker(*words, idle=_THERE_ALREADY)

    def _docker(self, *words: str, idle: str | None = None) -> bool:
        """Run a command; return whether all is as it wants it then. ``idle`` says that there was nothing to do."""
        # To a daemon that is away nobody types: it would be the same answer hundreds of times.
        self._host.dockerd.wait()
        start = time.monotonic()
        try:
            done = self._host.docker(*words, check=False, timeout=_COMMAND_TIME)
            code, message = done.returncode, done.stderr.strip()
        except subprocess.TimeoutExpired:
            code, message = 1, f"not within {_COMMAND_TIME:g} s"
        seconds = time.monotonic() - start
        self.longest = max(self.longest, seconds)
        # "docker rm -f" and others of some versions end well where there is nothing.
        if idle is not None and re.search(idle, message):
            return True
        if code == 0:
            self.succeeded += 1
            return True
        self.failed.append(Command(words, message, seconds))
        return False


class ChurnTestCase(DisturbedTestCase):
    """A test that disturbs a host on which containers come and go."""

    def assert_most_succeeded(self, churn: Churn, ratio: float, patterns: Sequence[str]) -> None:
        """Assert that at least a part of docker's commands succeeded, and that the others failed for these reasons."""
        strange = [str(command) for command in churn.failed if not command.explained_by(patterns)]
        self.assertEqual(strange, [])
        self.assertGreaterEqual(churn.ratio, ratio, "\n".join(map(str, churn.failed)))
