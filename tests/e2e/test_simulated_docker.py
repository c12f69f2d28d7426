"""The simulated Docker side by side with a real one: the same commands, the same outcomes, the same calls.

SIMULATED_DOCKER_SEED and SIMULATED_DOCKER_SECONDS draw other commands, and more of them. LAB_DOCKER names the real one.
"""

from __future__ import annotations

import os
import time
from functools import partial

from lab.shell import wait_until
from tests.e2e.bare_host import DRIVER
from tests.e2e.docker_twins import TwinsTestCase
from tests.simulation.chance import Chance
from tests.simulation.docker.lives import Life

#: Seconds that the commands may take.
_SECONDS = float(os.environ.get("SIMULATED_DOCKER_SECONDS", "20"))
_SEED = int(os.environ.get("SIMULATED_DOCKER_SEED", "1"))
#: Crashes after which a container waits for six seconds before it is started again.
_CRASHES = 7


class CommandTests(TwinsTestCase):
    """A drawn sequence of commands is given to both."""

    def test_the_same_commands(self) -> None:
        """Outcomes and calls are the same."""
        life = Life(Chance(_SEED), self.twins.simulated.docker, DRIVER)
        end = time.monotonic() + _SECONDS
        self.story.append(f"seed {_SEED}")
        while time.monotonic() < end:
            self.compare(*life.next())
        self.assertGreater(len(self.story), _SECONDS / 2, "hardly anything was compared")

    def test_ways_out(self) -> None:
        """They move as networks with gateways of both families, of one, and of none come and go."""
        for name in ("m", "s", "t", "v"):
            self.create(name)
        self.run_in("k1", "t")
        for name in ("s", "m", "v"):
            self.compare("network", "connect", name, "k1")
        for name in ("v", "s", "m", "t"):
            self.compare("network", "disconnect", name, "k1")
        self.run_in("k2", "m")
        for name in ("s", "t"):
            self.compare("network", "connect", name, "k2")
        self.compare("network", "disconnect", "m", "k2")


class DaemonTests(TwinsTestCase):
    """The daemon ends, and starts again."""

    def test_the_ends_of_the_daemon(self) -> None:
        """After each, containers with a restart policy come again, and stale endpoints go."""
        self._live_on_networks()
        self.twins.agree = False
        self.twins.real.dockerd.kill()
        self.twins.simulated.docker.kill_dockerd()
        self._start("SIGKILL")
        self.run_in("k6", "m", "--rm", "--stop-signal=SIGKILL")
        self.twins.agree = False
        self.twins.real.dockerd.process.stop()
        self.twins.simulated.end()
        self.compare_by_endpoint("SIGTERM")
        self._start("a restart")
        self.twins.agree = True

    def test_a_power_loss(self) -> None:
        """All addresses are free again, those of Docker's pools and those of a plugin's."""
        for name in ("m", "r"):
            self.create(name)
            self.run_in(f"k{name}", name)
        self.twins.agree = False
        self.twins.real.dockerd.kill()
        self.twins.real.dockerd.kill_containers()
        self.twins.real.dockerd.forget_runtime()
        self.twins.simulated.docker.lose_power()
        self._start("a power loss")
        self.twins.agree = True
        for name in ("m", "r"):
            self.run_in(f"l{name}", name)
            self.compare("start", f"k{name}")

    def _live_on_networks(self) -> None:
        """Run containers with all restart policies, and one that is removed at its end."""
        for name in ("m", "v", "i"):
            self.create(name)
        policies = {"k1": "no", "k2": "always", "k3": "unless-stopped", "k4": "on-failure", "k5": "unless-stopped"}
        for (container, policy), network in zip(policies.items(), "mvimm", strict=True):
            self.run_in(container, network, f"--restart={policy}", "--stop-signal=SIGKILL")
        self.compare("stop", "k5")
        self.run_in("k6", "m", "--rm")

    def _start(self, what: str) -> None:
        """Start both daemons, and compare what they do."""
        self.twins.real.dockerd.start()
        self.twins.real.dockerd.wait()
        self.twins.simulated.docker.start_dockerd()
        self.twins.simulated.reactor.run_for(30)
        self.compare_by_endpoint(what)
        containers = self.twins.simulated.docker.store.containers.values()
        for option, ours in (("--all=false", [each for each in containers if each.running]), ("--all", [*containers])):
            theirs = self.twins.real.docker("ps", option, "--format={{.Names}}").stdout.split()
            self.assertEqual(sorted(each.name for each in ours), sorted(theirs), what)


class PauseTests(TwinsTestCase):
    """Containers that have crashed, and wait for their restart."""

    def test_commands_that_come_meanwhile(self) -> None:
        """Outcomes are the same, and the calls that follow, also once the containers run again."""
        for name in ("m", "i"):
            self.create(name)
        names = [f"k{number}" for number in range(1, 7)]
        for name in names:
            self.run_in(name, "m", "--restart=always")
        self.twins.agree = False
        self.twins.crash(names, _CRASHES)
        commands = (
            ("start", "k1"),
            ("network", "connect", "i", "k2"),
            ("network", "disconnect", "m", "k3"),
            ("network", "connect", "i", "k4"),
            ("stop", "k4"),
            ("network", "connect", "i", "k5"),
            ("rm", "-f", "k5"),
            ("rename", "k6", "k7"),
        )
        theirs = [self.twins.real.command(words) for words in commands]
        ours = [self.twins.simulated.command(words, late=0) for words in commands]
        told = "\n".join(each.stderr for each in theirs)
        self.assertEqual([each.code for each in ours], [each.returncode for each in theirs], told)
        self.twins.simulated.reactor.run_for(30)
        for name in ("k1", "k2", "k3"):
            wait_until(f"{name} runs", partial(self.twins.real.pid_of, name))
        # How often each is looked at depends on the order of a container's networks.
        self.compare_by_endpoint("pauses", without="NetworkDriver.EndpointOperInfo")
        self.twins.agree = True
        self.compare("start", "k4")
        # Nobody but a user takes out what is left of a container that is gone.
        self.compare("network", "rm", "i")
        self.compare("network", "disconnect", "-f", "i", "k5")
